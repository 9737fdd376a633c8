import { describe, expect, it, vi } from 'vitest'

vi.mock('../i18n', async () => {
  const { createI18n } = await import('vue-i18n')
  const [{ default: en }, { default: zh }] = await Promise.all([import('../i18n/en'), import('../i18n/zh')])
  const i18n = createI18n({ legacy: false, locale: 'en', messages: { en, zh } as Record<string, typeof en> })
  return { i18n, t: i18n.global.t, language: i18n.global.locale }
})
const { i18n } = await import('../i18n')
const { pointerOf, readingOf, spanWords } = await import('./condition')

const t = i18n.global.t as (key: string, named: Record<string, unknown>) => string
const said = (text: string): string | undefined => {
  const reading = readingOf(text)
  return reading && t(`alerts.words.${reading.word}`, reading.named)
}

describe('conditions in words', () => {
  it.each([
    ['failed', 'a run does not succeed'],
    ['failed 3', '3 runs in a row do not succeed'],
    ['failed timed_out', 'a run ends as “timed out”'],
    ['recovered', 'a run succeeds after one that did not'],
    ['late 1h30m', 'a run has not started 1 hour 30 minutes after its fire time'],
    ['stale 26h', 'no run has succeeded for 26 hours'],
    ['fuel 3x', 'a run uses more fuel than 3 times the median of the last 20 runs that succeeded'],
    ['/price > 100', '/price of the result is greater than 100'],
    ['/price changed 5%', '/price of the result differs by more than 5% from that of the run before'],
    ['/price outside -1.5..2e3', '/price of the result is less than -1.5 or greater than 2e3'],
    ['result != {"a": 1}', 'the result is not {"a": 1}'],
    ['"/unit price" missing', '"/unit price" of the result is missing or null'],
  ])('%s', (text, words) => expect(said(text)).toBe(words))

  it('what is not known is nothing, so that the words of the server are shown', () => {
    expect(['', 'faild', 'late', 'late 5x', 'price > 5', '/price ≥ 5'].map(readingOf)).toEqual([undefined, undefined, undefined, undefined, undefined, undefined])
  })

  it('are Chinese on the Chinese page', () => {
    i18n.global.locale.value = 'zh'
    expect(said('failed timed_out')).toBe('某次运行的结果为“超时”')
    expect(said('/price > 100')).toBe('结果中的 /price 大于 100')
    expect(spanWords('1d')).toBe('1天')
    i18n.global.locale.value = 'en'
  })
})

it('knows the place in the result', () => {
  expect(['/price > 5', '"/unit price" > 5', 'result = 1', 'failed', 'fuel 3x'].map(pointerOf)).toEqual(['/price', '/unit price', '', undefined, undefined])
})
