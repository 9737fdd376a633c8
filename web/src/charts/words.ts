/** Spans and slots in words. */
import { useI18n } from 'vue-i18n'
import { formatTime } from '../i18n/format'
import { EACH, EVERYTHING, sinceChoice } from './chart-form'
import { DAY, duration, HOUR, MINUTE, WIDTHS } from './series'

/** How far back a chart goes, as choices. */
export const SPANS = ['24h', '7d', '30d', '90d', '365d', EVERYTHING]
export const BUCKETS: readonly string[] = ['auto', EACH, ...WIDTHS.map(([text]) => text)]

const UNITS = [['day', DAY], ['hour', HOUR], ['minute', MINUTE]] as const

export function useWords(): {
  /** `7d` → `7 days` */
  durationWord: (text: string) => string
  sinceWord: (since: string) => string
  bucketWord: (bucket: string | null) => string
} {
  const { t } = useI18n()
  /** A duration as a whole number of its largest unit. */
  const parts = (text: string): { unit: (typeof UNITS)[number][0]; count: number } | undefined => {
    const length = duration(text)
    const found = length === undefined ? undefined : UNITS.find(([, size]) => length % size === 0)
    return length === undefined || !found ? undefined : { unit: found[0], count: length / found[1] }
  }
  const durationWord = (text: string): string => {
    const found = parts(text)
    return found ? t(`charts.units.${found.unit}`, { count: found.count }, found.count) : text
  }
  const perWord = (text: string): string => {
    const found = parts(text)
    return found ? t(`charts.per.${found.unit}`, { count: found.count }, found.count) : text
  }
  return {
    durationWord,
    sinceWord: (since) => {
      const choice = sinceChoice(since)
      if (choice === EVERYTHING) return t('charts.everything')
      if (duration(choice) !== undefined) return t('charts.last', { span: durationWord(choice) })
      return Number.isNaN(Date.parse(choice)) ? choice : t('charts.sinceTime', { time: formatTime(choice) })
    },
    bucketWord: (bucket) =>
      bucket === null || bucket === EACH ? t('charts.each') : bucket === 'auto' ? t('charts.auto') : perWord(bucket),
  }
}
