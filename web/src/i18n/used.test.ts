import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import en from './en'

type Messages = { [key: string]: string | Messages }
const keysOf = (messages: Messages, before = ''): string[] =>
  Object.entries(messages).flatMap(([key, value]) => (typeof value === 'string' ? [before + key] : keysOf(value, `${before}${key}.`)))

const root = path.join(import.meta.dirname, '..')
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(ts|vue)$/.test(name) && !/\.test\.ts$|^i18n\/(en|zh)\b|schema\.d\.ts$/.test(name))
  .map((name) => readFileSync(path.join(root, name), 'utf8'))

test('every message is used somewhere', () => {
  const text = sources.join('\n')
  const whole = new Set([...text.matchAll(/["'`]([\w-]+(?:\.[\w-]+)+)["'`]/g)].map(([, key]) => key))
  // A key that is put together begins with a room: `runs.status.${status}`. What is filled in has no point.
  const built = [...text.matchAll(/`([a-z]\w*(?:\.[\w-]*)+(?:\$\{(?:[^{}`]|`[^`]*`)*\}[\w.-]*)+)`/g)].map(
    ([, key = '']) => new RegExp(`^${key.replace(/\$\{(?:[^{}`]|`[^`]*`)*\}/g, '[^.]+').replaceAll('.', '\\.').replaceAll('[^\\.]+', '[^.]+')}$`),
  )
  expect(keysOf(en).filter((key) => !whole.has(key) && !built.some((pattern) => pattern.test(key)))).toEqual([])
})
