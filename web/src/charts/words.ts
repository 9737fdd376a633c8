/** Spans and slots in words. */
import { useI18n } from 'vue-i18n'
import { EACH, EVERYTHING } from './chart-form'
import { DAY, duration, HOUR, MINUTE, WIDTHS } from './series'

/** How far back a chart goes, as choices. */
export const SPANS = ['24h', '7d', '30d', '90d', '365d', EVERYTHING]
export const BUCKETS: readonly string[] = ['auto', EACH, ...WIDTHS.map(([text]) => text)]

const UNITS = [['day', DAY], ['hour', HOUR], ['minute', MINUTE]] as const

export function useWords(): {
  /** `7d` → `7 days` */
  durationWord: (text: string) => string
  sinceWord: (since: string | null) => string
  bucketWord: (bucket: string | null) => string
} {
  const { t } = useI18n()
  const durationWord = (text: string): string => {
    const length = duration(text)
    const unit = length === undefined ? undefined : UNITS.find(([, size]) => length % size === 0)
    if (length === undefined || !unit) return text
    const count = length / unit[1]
    return t(`charts.units.${unit[0]}`, { count }, count)
  }
  return {
    durationWord,
    sinceWord: (since) =>
      since === null || since === EVERYTHING
        ? t('charts.everything')
        : duration(since) === undefined ? since : t('charts.last', { span: durationWord(since) }),
    bucketWord: (bucket) =>
      bucket === null || bucket === EACH ? t('charts.each') : bucket === 'auto' ? t('charts.auto') : t('charts.by', { span: durationWord(bucket) }),
  }
}
