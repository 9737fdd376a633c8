/** Words of the time axis, in the viewer's zone and form. */
import { computed } from 'vue'
import { locale } from '../i18n/format'
import { DAY, MINUTE } from './series'

const forms = computed(() => {
  const form = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale.value, options)
  return {
    year: form({ year: 'numeric' }),
    month: form({ month: 'short' }),
    day: form({ month: 'short', day: 'numeric' }),
    minute: form({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    second: form({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
    moment: form({ year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    exact: form({ year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
  }
})

/** Of what is one larger, told where it changes. */
export function tickLabels(ticks: readonly number[], step: number): string[] {
  const { year, month, day, minute, second } = forms.value
  const [small, large] =
    step >= 360 * DAY ? [year, undefined] : step >= 27 * DAY ? [month, year] : step >= DAY ? [day, year] : step >= MINUTE ? [minute, day] : [second, day]
  let before: string | undefined
  return ticks.map((tick) => {
    const above = large?.format(tick)
    const isNew = above !== before
    before = above
    return above !== undefined && isNew ? `${small.format(tick)}\n${above}` : small.format(tick)
  })
}

/** The time of a point; seconds only where there are some. */
export function pointTime(at: number): string {
  return (at % MINUTE === 0 ? forms.value.moment : forms.value.exact).format(at)
}
