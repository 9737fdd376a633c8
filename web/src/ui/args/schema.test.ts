import { describe, expect, it } from 'vitest'
import { argsOf, begin, type Draft, type Field, formOf, fromLocal, read, type Schema, shapeOf, toLocal, typedOf } from './schema'

const field = (schema: Schema, required = false): Field => {
  const [only] = formOf({ type: 'object', properties: { x: schema }, required: required ? ['x'] : [] }).fields
  if (!only) throw new Error('no field')
  return only
}
const value = (text: string): Draft => ({ mode: 'value', text, items: [] })
const list = (...items: string[]): Draft => ({ mode: 'value', text: '', items })
const sent = (schema: Schema, draft: Draft, required = false) => read(field(schema, required), draft)

describe('the input of a parameter', () => {
  it.each<[string, Schema, string, boolean]>([
    ['str', { type: 'string' }, 'text', false],
    ['int', { type: 'integer' }, 'integer', false],
    ['float', { type: 'number' }, 'number', false],
    ['bool', { type: 'boolean' }, 'switch', false],
    ['date', { type: 'string', format: 'date' }, 'date', false],
    ['datetime', { type: 'string', format: 'date-time' }, 'datetime', false],
    ['time', { type: 'string', format: 'time' }, 'time', false],
    ['another format', { type: 'string', format: 'uuid' }, 'text', false],
    ['Literal', { enum: ['a', 1] }, 'choice', false],
    ['Literal of one', { const: 'a' }, 'choice', false],
    ['Literal with None', { enum: ['a', null] }, 'choice', true],
    ['str | None', { type: ['string', 'null'] }, 'text', true],
    ['int | None, as anyOf', { anyOf: [{ type: 'integer' }, { type: 'null' }] }, 'integer', true],
    ['Literal | None, as anyOf', { anyOf: [{ enum: ['a'] }, { type: 'null' }] }, 'choice', true],
    ['int | float', { type: ['integer', 'number'] }, 'number', false],
    ['str | int', { type: ['string', 'integer'] }, 'any', false],
    ['str | int | None', { anyOf: [{ type: 'string' }, { type: 'integer' }, { type: 'null' }] }, 'any', true],
    ['date | datetime', { anyOf: [{ type: 'string', format: 'date' }, { type: 'string', format: 'date-time' }] }, 'text', false],
    ['list', { type: 'array' }, 'json', false],
    ['list[str]', { type: 'array', items: { type: 'string' } }, 'list', false],
    ['list[Literal]', { type: 'array', items: { enum: ['a'] } }, 'list', false],
    ['list[dict]', { type: 'array', items: { type: 'object' } }, 'json', false],
    ['list[str | None]', { type: 'array', items: { type: ['string', 'null'] } }, 'json', false],
    ['list[int] | None', { anyOf: [{ type: 'array', items: { type: 'integer' } }, { type: 'null' }] }, 'list', true],
    ['tuple[int, str]', { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }] }, 'json', false],
    ['dict', { type: 'object' }, 'json', false],
    ['dict[str, int]', { type: 'object', additionalProperties: { type: 'integer' } }, 'json', false],
    ['nothing', {}, 'any', false],
    ['None', { type: 'null' }, 'any', true],
    ['a type that is not known', { type: 'matrix' }, 'any', false],
  ])('%s', (_, schema, input, nullable) => {
    expect(shapeOf(schema)).toMatchObject({ input, nullable })
  })

  it('has the options of a choice as JSON, each once', () => {
    expect(shapeOf({ enum: ['a', 1, true, 'a', null] }).options).toEqual(['"a"', '1', 'true'])
    expect(shapeOf({ anyOf: [{ const: 'a' }, { enum: ['b'] }] }).options).toEqual(['"a"', '"b"'])
  })
})

describe('a form', () => {
  it('keeps order, descriptions, defaults and what is required', () => {
    const form = formOf({
      type: 'object', description: 'Track a price.', additionalProperties: false, required: ['symbol'],
      properties: { symbol: { type: 'string', description: 'What of.' }, n: { type: 'integer', default: 3 }, when: { type: ['string', 'null'], default: null } },
    })
    expect(form).toMatchObject({ description: 'Track a price.', open: false })
    expect(form.fields.map(({ name, required, description, fallback }) => [name, required, description, fallback])).toEqual([
      ['symbol', true, 'What of.', undefined], ['n', false, '', '3'], ['when', false, '', 'null'],
    ])
  })

  it('is open where more may be given', () => {
    expect(formOf({ type: 'object' }).open).toBe(true)
    expect(formOf({ type: 'object', additionalProperties: true }).open).toBe(true)
  })

  it('begins with the defaults, and sends none of them', () => {
    const form = formOf({ properties: { a: { type: 'string', default: 'x' }, b: { type: 'boolean', default: true }, c: { type: 'array', items: { type: 'integer' }, default: [1, 2] }, d: {} } })
    const typed = typedOf(form, '')
    expect([...(typed?.drafts.values() ?? [])].map(({ mode, text, items }) => [mode, text, items])).toEqual([
      ['left out', 'x', []], ['left out', 'true', []], ['left out', '', ['1', '2']], ['left out', '', []],
    ])
    expect(typed && argsOf(form, typed)).toEqual({ args: '{}', wrong: new Map() })
  })

  it('shows a switch that must be given as off, and sends it', () => {
    expect(read(field({ type: 'boolean' }, true), begin(field({ type: 'boolean' }, true)))).toEqual({ raw: 'false' })
  })
})

describe('what is typed becomes JSON', () => {
  it.each<[string, Schema, Draft, string | undefined]>([
    ['text', { type: 'string' }, value('5'), '"5"'],
    ['an empty text', { type: 'string' }, value(''), '""'],
    ['text with spaces and lines', { type: 'string' }, value(' a\n"b" '), '" a\\n\\"b\\" "'],
    ['an integer', { type: 'integer' }, value(' 42 '), '42'],
    ['an integer of any size', { type: 'integer' }, value('123456789012345678901234567890'), '123456789012345678901234567890'],
    ['an integer with a sign and zeros', { type: 'integer' }, value('-007'), '-7'],
    ['an integer with a plus', { type: 'integer' }, value('+5'), '5'],
    ['zero', { type: 'integer' }, value('000'), '0'],
    ['a number', { type: 'number' }, value('1.50'), '1.50'],
    ['a number without its zero', { type: 'number' }, value('-.5'), '-0.5'],
    ['a number that ends with a point', { type: 'number' }, value('5.'), '5'],
    ['a number with an exponent', { type: 'number' }, value('1.e3'), '1e3'],
    ['a whole number', { type: 'number' }, value('3'), '3'],
    ['yes', { type: 'boolean' }, value('true'), 'true'],
    ['no', { type: 'boolean' }, value('false'), 'false'],
    ['a choice', { enum: ['a', 1] }, value('1'), '1'],
    ['a date', { type: 'string', format: 'date' }, value('2026-02-28'), '"2026-02-28"'],
    ['a time', { type: 'string', format: 'time' }, value('09:30'), '"09:30"'],
    ['a time with an offset', { type: 'string', format: 'time' }, value('09:30:00+02:00'), '"09:30:00+02:00"'],
    ['a date with a time', { type: 'string', format: 'date-time' }, value('2026-01-05T09:00:00Z'), '"2026-01-05T09:00:00Z"'],
    ['a list', { type: 'array', items: { type: 'integer' } }, list('1', '02'), '[1, 2]'],
    ['an empty list', { type: 'array', items: { type: 'string' } }, list(), '[]'],
    ['a list of texts', { type: 'array', items: { type: 'string' } }, list('a', ''), '["a", ""]'],
    ['an object', { type: 'object' }, value('{"a": 1.0}'), '{"a": 1.0}'],
    ['any number', {}, value('1'), '1'],
    ['any text', {}, value('ACME'), '"ACME"'],
    ['any text in quotes', {}, value('"1"'), '"1"'],
    ['None', { type: ['integer', 'null'] }, { mode: 'null', text: '5', items: [] }, 'null'],
    ['nothing', { type: 'integer' }, { mode: 'left out', text: '5', items: [] }, undefined],
    ['an integer that was emptied', { type: 'integer' }, value(' '), undefined],
    ['JSON that was emptied', { type: 'object' }, value(''), undefined],
  ])('%s', (_, schema, draft, raw) => {
    expect(sent(schema, draft)).toEqual({ raw })
    if (raw !== undefined) expect(() => JSON.parse(raw) as unknown).not.toThrow()
  })

  it.each<[string, Schema, Draft, string]>([
    ['text as an integer', { type: 'integer' }, value('x'), 'integer'],
    ['a fraction as an integer', { type: 'integer' }, value('1.5'), 'integer'],
    ['thousands', { type: 'integer' }, value('1,000'), 'integer'],
    ['not a number', { type: 'number' }, value('NaN'), 'number'],
    ['two points', { type: 'number' }, value('1.2.3'), 'number'],
    ['a lone point', { type: 'number' }, value('.'), 'number'],
    ['too little', { type: 'integer', minimum: 1 }, value('0'), 'minimum'],
    ['too much', { type: 'number', maximum: 1 }, value('1.5'), 'maximum'],
    ['none of the choices', { enum: ['a'] }, value('"b"'), 'choice'],
    ['no day', { type: 'string', format: 'date' }, value('2026-13-01'), 'date'],
    ['no time', { type: 'string', format: 'time' }, value('25:00'), 'time'],
    ['no instant', { type: 'string', format: 'date-time' }, value('tomorrow'), 'datetime'],
    ['a wrong item', { type: 'array', items: { type: 'integer' } }, list('1', 'x'), 'item'],
    ['an empty item', { type: 'array', items: { type: 'integer' } }, list(''), 'item'],
    ['broken JSON', { type: 'object' }, value('{"a": }'), 'json'],
    ['a list for an object', { type: 'object' }, value('[]'), 'jsonObject'],
    ['an object for a list', { type: 'array' }, value('{}'), 'jsonArray'],
  ])('refuses %s', (_, schema, draft, key) => {
    expect(sent(schema, draft)).toMatchObject({ wrong: { key } })
  })

  it('says where JSON is broken, and which item is wrong', () => {
    expect(sent({ type: 'object' }, value('{\n "a": x\n}'))).toEqual({ wrong: { key: 'json', values: { line: 2, column: 7 } } })
    expect(sent({ type: 'array', items: { type: 'integer' } }, list('1', 'x'))).toEqual({ wrong: { key: 'item', values: { number: 2 } } })
  })

  it('wants what is required', () => {
    const missing = { wrong: { key: 'missing' } }
    expect(sent({ type: 'string' }, begin(field({ type: 'string' }, true)), true)).toEqual(missing)
    expect(sent({ type: 'integer' }, value(''), true)).toEqual(missing)
    expect(sent({ type: 'string' }, value(''), true)).toEqual({ raw: '""' })
    expect(sent({ type: ['string', 'null'] }, { mode: 'null', text: '', items: [] }, true)).toEqual({ raw: 'null' })
  })
})

describe('arguments are shown in the form', () => {
  const form = formOf({
    type: 'object', additionalProperties: false, required: ['s'],
    properties: {
      s: { type: 'string' }, n: { type: 'integer' }, b: { type: 'boolean', default: false }, c: { enum: ['a', 'b'] }, l: { type: 'array', items: { type: 'string' } },
      o: { type: 'object' }, any: {}, z: { type: ['string', 'null'] }, t: { type: 'string', format: 'date-time' },
    },
  })

  it.each([
    '{}', '{"s": ""}', '{"n": 12345678901234567890}', '{"b": true}', '{"c": "b"}', '{"l": []}', '{"l": ["a", "b,c"]}', '{"any": "1"}', '{"any": "text"}', '{"any": " "}',
    '{"any": ""}', '{"any": [1.0]}', '{"any": null}', '{"z": null}', '{"z": "null"}', '{"t": "2026-01-05T09:00:00+08:00"}', '{"t": "not a time"}', '{"n": 1.5}', '{"c": "x"}', '{"l": "x"}',
  ])('%s comes back as it was, or is told to be wrong', (args) => {
    const typed = typedOf(form, args)
    if (!typed) throw new Error('not shown')
    const back = argsOf(form, typed)
    const wrong = [...back.wrong].filter(([name, each]) => !(name === 's' && each.key === 'missing'))
    if (wrong.length === 0) expect(JSON.parse(back.args)).toEqual(JSON.parse(args))
    else expect(['{"t": "not a time"}', '{"n": 1.5}', '{"c": "x"}', '{"l": "x"}']).toContain(args)
  })

  it('keeps the texts of numbers', () => {
    const typed = typedOf(form, '{"n": 12345678901234567890, "s": "x"}')
    expect(typed && argsOf(form, typed).args).toBe('{\n  "s": "x",\n  "n": 12345678901234567890\n}')
  })

  it('keeps a default that was given', () => {
    const typed = typedOf(form, '{"s": "x", "b": false}')
    expect(typed && JSON.parse(argsOf(form, typed).args)).toEqual({ s: 'x', b: false })
  })

  it('keeps what it has no field for, and says so', () => {
    const typed = typedOf(form, '{"s": "x", "more": 1.0}')
    expect(typed?.extra).toEqual(new Map([['more', '1.0']]))
    expect(typed && argsOf(form, typed).wrong).toEqual(new Map([['more', { key: 'unknown' }]]))
    const open = formOf({ type: 'object', additionalProperties: true })
    const shown = typedOf(open, '{"more": 1.0}')
    expect(shown && argsOf(open, shown)).toEqual({ args: '{"more": 1.0}', wrong: new Map() })
  })

  it.each(['[1]', '1', '{', 'null'])('cannot show %s', (args) => {
    expect(typedOf(form, args)).toBeUndefined()
  })
})

describe('dates with times', () => {
  it('are shown in the zone of the viewer, and sent with its offset', () => {
    const local = toLocal('2026-01-05T09:00:00Z')
    expect(local).toBeDefined()
    expect(new Date(fromLocal(local ?? '')).toISOString()).toBe('2026-01-05T09:00:00.000Z')
    expect(fromLocal('2026-01-05T09:00')).toMatch(/^2026-01-05T09:00:00(Z|[+-]\d\d:\d\d)$/)
    expect(toLocal('05/01/2026')).toBeUndefined()
    expect(toLocal('2026-01-05')).toBeUndefined()
  })
})
