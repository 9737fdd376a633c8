import { expect, test } from 'vitest'
import { createI18n } from 'vue-i18n'
import en from './en'
import zh from './zh'

type Messages = { [key: string]: string | Messages }

const pathsOf = (messages: Messages, prefix = ''): string[] =>
  Object.entries(messages).flatMap(([key, value]) => (typeof value === 'string' ? [prefix + key] : pathsOf(value, `${prefix}${key}.`)))

const textAt = (messages: Messages, path: string): unknown => path.split('.').reduce<unknown>((at, key) => Reflect.get(at as object, key), messages)
const namesIn = (text: unknown): string[] => [...new Set([...String(text).matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ''))].sort()

test.each([['en', en], ['zh', zh]] as const)('every message of %s can be shown', (locale, messages) => {
  const i18n = createI18n({ legacy: false, locale, messages: { [locale]: messages } })
  // A key that is not known is not checked here: the compiler does that.
  const t = i18n.global.t as (key: string, named: Record<string, unknown>, plural: number) => string
  for (const path of pathsOf(messages)) {
    for (const count of [0, 1, 2]) expect(t(path, { n: count }, count), path).not.toBe(path)
  }
})

test('both languages fill in the same names', () => {
  for (const path of pathsOf(en)) {
    const [english, chinese] = [namesIn(textAt(en, path)), namesIn(textAt(zh, path))]
    // A language may leave a name out where its words say the same without it.
    expect(english.length === 0 || chinese.length > 0, path).toBe(true)
    for (const name of chinese) expect([...english, 'n'], path).toContain(name)
  }
})
