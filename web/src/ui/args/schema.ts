/**
 * A form of a script's parameters: which input each parameter of a JSON Schema gets, and how what is typed becomes JSON. Values
 * are kept as JSON text, so that an integer of any size stays as it is.
 */
import { BadJson, check, isJson, isSame, items, kindOf, members, object, ofString, pretty, toText } from './json'

/** The part of JSON Schema that the server makes of a signature. */
export interface Schema {
  type?: string | string[]
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  format?: string
  items?: Schema | boolean
  prefixItems?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  minimum?: number
  maximum?: number
}

/** `any` takes JSON, and everything else as text. */
export type Input = 'text' | 'integer' | 'number' | 'switch' | 'choice' | 'date' | 'datetime' | 'time' | 'list' | 'json' | 'any'

/** What a value may be. */
export interface Shape {
  input: Input
  nullable: boolean
  /** The values of a choice, as JSON. */
  options: string[]
  /** What a list has. */
  item?: Shape
  /** The kind of value that `json` wants; nothing: any. */
  json?: 'object' | 'array'
  minimum?: number
  maximum?: number
}

export interface Field extends Shape {
  name: string
  description: string
  required: boolean
  /** What the script takes when nothing is given, as JSON; nothing: not known, or there is none. */
  fallback?: string
}

export interface Form {
  fields: Field[]
  description: string
  /** Whether arguments that the form has no field for may be given. */
  open: boolean
}

/** What is typed into a field. */
export interface Draft {
  mode: 'left out' | 'null' | 'value'
  text: string
  items: string[]
}

/** What is wrong with a field: a key of the messages, with its values. */
export interface Wrong {
  key:
    | 'missing' | 'integer' | 'number' | 'choice' | 'date' | 'datetime' | 'time' | 'json' | 'jsonObject' | 'jsonArray' | 'item'
    | 'minimum' | 'maximum' | 'unknown'
  values?: Record<string, string | number>
}

const SIMPLE: readonly Input[] = ['text', 'integer', 'number', 'choice', 'date', 'time', 'datetime']
const raw = (value: unknown): string => JSON.stringify(value)

function alternatives(schema: Schema): Schema[] {
  const many = schema.anyOf ?? schema.oneOf
  if (many) return many.flatMap(alternatives)
  return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : [schema]
}

const isNull = (schema: Schema): boolean => schema.type === 'null' || ('const' in schema && schema.const === null)

export function shapeOf(schema: Schema): Shape {
  const all = alternatives(schema)
  const rest = all.filter((each) => !isNull(each))
  const values = rest.flatMap((each) => ('const' in each ? [each.const] : (each.enum ?? [])))
  const nullable = rest.length < all.length || values.includes(null)
  const plain = { nullable, options: [] }
  if (rest.length > 0 && rest.every((each) => each.enum !== undefined || 'const' in each)) {
    return { input: 'choice', nullable, options: [...new Set(values.filter((value) => value !== null).map(raw))] }
  }
  const [only] = rest
  if (!only || rest.length > 1) {
    const types = new Set(rest.map((each) => each.type))
    // Every integer is a number.
    if (types.size === 2 && types.has('integer') && types.has('number')) return { ...plain, input: 'number' }
    if (types.size === 1 && types.has('string')) return { ...plain, input: 'text' }
    return { ...plain, input: 'any' }
  }
  const bounds = {
    ...(only.minimum === undefined ? {} : { minimum: only.minimum }),
    ...(only.maximum === undefined ? {} : { maximum: only.maximum }),
  }
  switch (only.type) {
    case 'string':
      if (only.format === 'date' || only.format === 'time') return { ...plain, input: only.format }
      return { ...plain, input: only.format === 'date-time' ? 'datetime' : 'text' }
    case 'integer':
    case 'number':
      return { ...plain, ...bounds, input: only.type }
    case 'boolean':
      return { ...plain, input: 'switch' }
    case 'array': {
      const item = typeof only.items === 'object' && !only.prefixItems ? shapeOf(only.items) : undefined
      if (item && !item.nullable && SIMPLE.includes(item.input)) return { ...plain, input: 'list', item }
      return { ...plain, input: 'json', json: 'array' }
    }
    case 'object':
      return { ...plain, input: 'json', json: 'object' }
    default:
      return { ...plain, input: 'any' }
  }
}

export function formOf(schema: Schema): Form {
  const required = new Set(schema.required ?? [])
  const fields = Object.entries(schema.properties ?? {}).map(([name, each]): Field => ({
    ...shapeOf(each),
    name,
    description: each.description ?? '',
    required: required.has(name),
    ...('default' in each ? { fallback: raw(each.default) } : {}),
  }))
  return { fields, description: schema.description ?? '', open: schema.additionalProperties !== false }
}

const EMPTY: Draft = { mode: 'left out', text: '', items: [] }

/** A `date-time` as the input of the browser shows it, in the viewer's zone; nothing when it is none. */
export function toLocal(text: string): string | undefined {
  const at = new Date(text)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) || Number.isNaN(at.getTime())) return undefined
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** The same instant as RFC 3339 writes it, with the offset of the viewer's zone. */
export function fromLocal(text: string): string {
  const at = new Date(text)
  const minutes = -at.getTimezoneOffset()
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0')
  const offset = minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
  return `${text.length === 16 ? `${text}:00` : text}${offset}`
}

/** A text that can be shown without quotes: it is not read as another value, and no space is lost. */
const isBare = (text: string): boolean => text !== '' && text.trim() === text && !isJson(text)

/** JSON of at most so many characters is shown in one line. */
const SHORT = 60

/** What a field shows for a value. */
function draftOf(shape: Shape, value: string): Draft {
  const kind = kindOf(value)
  if (kind === 'null' && shape.nullable) return { ...EMPTY, mode: 'null' }
  const as = (text: string): Draft => ({ mode: 'value', text, items: [] })
  switch (shape.input) {
    case 'list':
      if (kind !== 'array') return as(value)
      return { mode: 'value', text: '', items: items(value).map((each) => (shape.item ? draftOf(shape.item, each).text : each)) }
    case 'choice':
      return as(shape.options.find((option) => isSame(option, value)) ?? value)
    case 'json':
      return as(value.length <= SHORT ? value : pretty(value))
    case 'any':
      return as(kind === 'string' && isBare(toText(value)) ? toText(value) : value.length <= SHORT ? value : pretty(value))
    default:
      return as(kind === 'string' ? toText(value) : value)
  }
}

/** What a field shows before anything is typed: the script's own value, which is not sent. */
export function begin(field: Field): Draft {
  if (field.fallback === undefined) {
    // A switch has no third position; it shows what is sent.
    return field.input === 'switch' && field.required ? { ...EMPTY, mode: 'value', text: 'false' } : EMPTY
  }
  // None is what an empty field means then.
  if (field.fallback === 'null') return EMPTY
  return { ...draftOf(field, field.fallback), mode: 'left out' }
}

const INTEGER = /^[+-]?\d+$/
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** A number as JSON writes it. */
function numberOf(typed: string): string {
  const [, sign = '', digits = '', rest = ''] = /^([+-]?)(\d*)(.*)$/.exec(typed) ?? []
  const part = rest.replace(/^\.(?=$|[eE])/, '')
  return `${sign === '-' ? '-' : ''}${digits.replace(/^0+(?=\d)/, '') || '0'}${part}`
}

type Answer = { raw: string } | { wrong: Wrong }

function parse(shape: Shape, typed: string): Answer {
  const text = typed.trim()
  const no = (key: Wrong['key'], values?: Wrong['values']): Answer => ({ wrong: values ? { key, values } : { key } })
  switch (shape.input) {
    case 'text':
      return { raw: ofString(typed) }
    case 'integer':
    case 'number': {
      if (!(shape.input === 'integer' ? INTEGER : NUMBER).test(text)) return no(shape.input)
      const value = Number(text)
      if (shape.minimum !== undefined && value < shape.minimum) return no('minimum', { least: shape.minimum })
      if (shape.maximum !== undefined && value > shape.maximum) return no('maximum', { most: shape.maximum })
      return { raw: numberOf(text) }
    }
    case 'switch':
      return { raw: text === 'true' ? 'true' : 'false' }
    case 'choice':
      return shape.options.includes(typed) ? { raw: typed } : no('choice')
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? { raw: ofString(text) } : no('date')
    case 'time':
      return /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/.test(text) ? { raw: ofString(text) } : no('time')
    case 'datetime':
      return toLocal(text) === undefined ? no('datetime') : { raw: ofString(text) }
    case 'any':
      return { raw: isJson(text) ? text : ofString(typed) }
    case 'json':
    case 'list': {
      try {
        check(text)
      } catch (error) {
        if (error instanceof BadJson) return no('json', placeOf(text, error.at))
        throw error
      }
      const wanted = shape.input === 'list' ? 'array' : shape.json
      if (wanted && kindOf(text) !== wanted) return no(wanted === 'object' ? 'jsonObject' : 'jsonArray')
      return { raw: text }
    }
  }
}

/** Line and column, from 1, of an index into a text. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** What a field sends: JSON, nothing (`undefined`), or what is wrong. */
export function read(field: Field, draft: Draft): { raw: string | undefined } | { wrong: Wrong } {
  if (draft.mode === 'null') return { raw: 'null' }
  if (draft.mode === 'left out') return field.required ? { wrong: { key: 'missing' } } : { raw: undefined }
  if (field.input === 'list' && draft.text === '') {
    const shape = field.item ?? { input: 'any', nullable: false, options: [] }
    const all: string[] = []
    for (const [at, each] of draft.items.entries()) {
      const answer = parse(shape, each)
      if ('wrong' in answer) return { wrong: { key: 'item', values: { number: at + 1 } } }
      all.push(answer.raw)
    }
    return { raw: `[${all.join(', ')}]` }
  }
  if (draft.text.trim() === '' && field.input !== 'text' && field.input !== 'switch') {
    if (field.required) return { wrong: { key: 'missing' } }
    return { raw: undefined }
  }
  return parse(field, draft.text)
}

/** What of a list is wrong, item by item. */
export function wrongItems(field: Field, draft: Draft): Map<number, Wrong> {
  const found = new Map<number, Wrong>()
  const shape = field.item
  if (!shape || draft.mode !== 'value') return found
  draft.items.forEach((each, at) => {
    const answer = parse(shape, each)
    if ('wrong' in answer) found.set(at, answer.wrong)
  })
  return found
}

/** What is typed into the whole form; `extra` are arguments that it has no field for, as JSON. */
export interface Typed {
  drafts: Map<string, Draft>
  extra: Map<string, string>
}

/** What the form shows for arguments; nothing when they are no object: then only JSON can show them. */
export function typedOf(form: Form, args: string): Typed | undefined {
  if (args.trim() !== '' && (!isJson(args) || kindOf(args) !== 'object')) return undefined
  const given = args.trim() === '' ? new Map<string, string>() : members(args)
  const drafts = new Map<string, Draft>()
  for (const field of form.fields) {
    const value = given.get(field.name)
    drafts.set(field.name, value === undefined ? begin(field) : draftOf(field, value))
    given.delete(field.name)
  }
  return { drafts, extra: given }
}

/** The arguments of what is typed, and what is wrong with it, by field. */
export function argsOf(form: Form, typed: Typed): { args: string; wrong: Map<string, Wrong> } {
  const wrong = new Map<string, Wrong>()
  const given: [string, string][] = []
  for (const field of form.fields) {
    const answer = read(field, typed.drafts.get(field.name) ?? begin(field))
    if ('wrong' in answer) wrong.set(field.name, answer.wrong)
    else if (answer.raw !== undefined) given.push([field.name, answer.raw])
  }
  for (const [name, value] of typed.extra) {
    given.push([name, value])
    if (!form.open) wrong.set(name, { key: 'unknown' })
  }
  return { args: object(given, given.length > 1), wrong }
}
