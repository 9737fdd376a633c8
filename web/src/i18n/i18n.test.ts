import { parse, type SFCTemplateBlock } from 'vue/compiler-sfc'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import en from './en'
import zh from './zh'

const SOURCE = path.join(import.meta.dirname, '..')
const components = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.vue'))

type Node = { type: number; content?: string | { content?: string }; children?: unknown; props?: Prop[]; branches?: unknown; loc: { start: { line: number } } }
type Prop = { type: number; name: string; value?: { content: string } }
const [ELEMENT, TEXT, ATTRIBUTE] = [1, 2, 6]
/** Attributes that people read or hear. */
const READ = ['title', 'aria-label', 'alt', 'label', 'hint', 'about', 'empty', 'words', 'placeholder']
/** The same in all languages: the product's name, keys of a keyboard, words of Python, and examples of what is typed. */
const SAME = new Set([
  'Cronbox', 'Ctrl K', 'Ctrl ↵', 'SHA-256', 'None', 'True', 'False',
  'cbx_…', 'team=data', 'price', 'run', 'Asia/Shanghai', 'api.example.com', 'API_KEY', 'CSV', 'PNG', 'UTC', 'JSON',
])

/** Texts of a template that are not from the messages. */
function* bare(node: Node): Generator<string> {
  if (node.type === TEXT && typeof node.content === 'string') yield node.content
  for (const prop of node.props ?? []) if (prop.type === ATTRIBUTE && READ.includes(prop.name)) yield prop.value?.content ?? ''
  if ((node.type === ELEMENT || node.type === 0) && Array.isArray(node.children)) for (const child of node.children as Node[]) yield* bare(child)
}

describe('no template has words of its own', () => {
  test.each(components)('%s', (file) => {
    const template: SFCTemplateBlock | null = parse(readFileSync(path.join(SOURCE, file), 'utf8')).descriptor.template
    const found = template?.ast ? [...bare(template.ast as unknown as Node)] : []
    const words = found.map((text) => text.trim()).filter((text) => /\p{L}{2}/u.test(text) && !SAME.has(text))
    expect(words).toEqual([])
  })
  test('there are components', () => expect(components.length).toBeGreaterThan(20))
})

/** All messages by their keys. */
function flat(messages: object, prefix = ''): Map<string, string> {
  const all = new Map<string, string>()
  for (const [key, value] of Object.entries(messages) as [string, string | object][]) {
    if (typeof value === 'string') all.set(prefix + key, value)
    else for (const [below, text] of flat(value, `${prefix}${key}.`)) all.set(below, text)
  }
  return all
}

describe('both languages', () => {
  const [english, chinese] = [flat(en), flat(zh)]
  const placeholders = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]))].toSorted()

  test('have the same keys', () => expect([...chinese.keys()].toSorted()).toEqual([...english.keys()].toSorted()))
  test.each([...english.keys()])('%s has the same placeholders', (key) => {
    expect(placeholders(chinese.get(key) ?? '')).toEqual(placeholders(english.get(key) ?? ''))
  })
  test('Chinese texts are Chinese', () => {
    const same = [...english].filter(([key, text]) => chinese.get(key) === text && /[a-z]{3,}/.test(text))
    // Words of Python.
    expect(same.map(([, text]) => text)).toEqual(['None'])
  })
})
