/** Conditions in plain words, in the language of the page. The server says them in English only. */
import { formatNumber, locale } from '../i18n/format'
import { t } from '../i18n'
import en from '../i18n/en/alerts'
import common from '../i18n/en/common'

type Word = keyof typeof en.words
/** Which words say a condition, and what is filled in. */
export interface Reading {
  word: Word
  named: Record<string, string>
}

const UNITS = { d: 'day', h: 'hour', m: 'minute', s: 'second' } as const
type Unit = keyof typeof UNITS

/** A time such as `1h30m`, in words. */
export function spanWords(span: string): string {
  const unit = (count: string, name: Unit): string =>
    new Intl.NumberFormat(locale.value, { style: 'unit', unit: UNITS[name], unitDisplay: 'long' }).format(Number(count))
  return [...span.matchAll(/(\d+)([dhms])/g)].map(([, count = '', name = 's']) => unit(count, name as Unit)).join(' ')
}

const outcome = (status: string): string => (Object.hasOwn(common.status, status) ? t(`common.status.${status as keyof typeof common.status}`) : status)

/** The place in a result at the beginning of a condition, and what follows. A place with blanks is in quotes. */
function placeIn(text: string): [string, string] | undefined {
  const found = /^("(?:[^"\\]|\\.)*"|\S+)\s+(.+)$/s.exec(text)
  const [, place = '', rest = ''] = found ?? []
  return found && (place === 'result' || place.startsWith('/') || place.startsWith('"')) ? [place, rest] : undefined
}

const TESTS: [RegExp, Word, string[]][] = [
  [/^> (\S+)$/, 'greater', ['number']],
  [/^< (\S+)$/, 'less', ['number']],
  [/^= (.+)$/s, 'equal', ['value']],
  [/^!= (.+)$/s, 'unequal', ['value']],
  [/^changed$/, 'changed', []],
  [/^changed (\S+)%$/, 'changedBy', ['percent']],
  [/^outside (\S+)\.\.(\S+)$/, 'outside', ['least', 'most']],
  [/^missing$/, 'missing', []],
  [/^outlier (\S+)$/, 'outlier', ['times']],
]

const WORDS: [RegExp, Word, (...found: string[]) => Record<string, string>][] = [
  [/^failed$/, 'failed', () => ({})],
  [/^failed (\d+)$/, 'failedInARow', (count) => ({ count: formatNumber(Number(count)) })],
  [/^failed ([a-z_]+)$/, 'failedAs', (status = '') => ({ outcome: outcome(status) })],
  [/^recovered$/, 'recovered', () => ({})],
  [/^missed$/, 'missed', () => ({})],
  [/^skipped$/, 'skipped', () => ({})],
  ...(['late', 'running', 'stale', 'queued'] as const).map((word): [RegExp, Word, (span?: string) => Record<string, string>] => [
    new RegExp(`^${word} ((?:\\d+[dhms])+)$`), word, (span = '') => ({ span: spanWords(span) }),
  ]),
  ...(['fuel', 'memory', 'duration'] as const).map((word): [RegExp, Word, (times?: string) => Record<string, string>] => [
    new RegExp(`^${word} (\\S+)x$`), word, (times = '') => ({ times }),
  ]),
]

/** How a condition is said, as the server prints it; nothing: it is not known here. */
export function readingOf(text: string): Reading | undefined {
  for (const [pattern, word, named] of WORDS) {
    const [whole, ...found] = pattern.exec(text) ?? []
    if (whole !== undefined) return { word, named: named(...found) }
  }
  const [place, rest] = placeIn(text) ?? []
  if (place === undefined || rest === undefined) return undefined
  for (const [pattern, word, names] of TESTS) {
    const [whole, ...found] = pattern.exec(rest) ?? []
    if (whole === undefined) continue
    const what = place === 'result' ? t('alerts.words.whole') : t('alerts.words.at', { place })
    return { word, named: { what, ...Object.fromEntries(names.map((name, at) => [name, found[at] ?? ''])) } }
  }
  return undefined
}

/** The place in a result that a condition is about, as a JSON Pointer; nothing: it is about something else. */
export function pointerOf(text: string): string | undefined {
  const [place] = readingOf(text) ? (placeIn(text) ?? []) : []
  if (place === undefined || place === 'result') return place === undefined ? undefined : ''
  return place.startsWith('"') ? (JSON.parse(place) as string) : place
}
