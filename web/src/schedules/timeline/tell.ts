/** What a mark says in words: for its box, for screen readers and for the table. */
import type { LocationQueryRaw } from 'vue-router'
import { runAddress } from '../../addresses'
import { t } from '../../i18n'
import { formatClock, formatDuration, formatNumber, formatTime } from '../../i18n/format'
import { reasonWords } from '../../ui/reason'
import { noteWords } from '../notes'
import { countOf, KINDS, LATE, type Group, type Mark } from './marks'

/** Why it went so, as one line; nothing where there is nothing to tell. */
export function whyOf({ run, note }: Pick<Mark, 'run' | 'note'>): string | undefined {
  if (!run) return note === undefined ? undefined : noteWords(note)
  const late = run.lateness_ms !== null && run.lateness_ms > LATE ? t('schedules.timeline.late', { by: formatDuration(run.lateness_ms) }) : undefined
  const why = run.error?.split('\n', 1)[0] ?? (run.reason === null ? undefined : reasonWords(run.reason))
  return [late, why].filter(Boolean).join(' · ') || undefined
}

/** `12 succeeded, 2 failed`, or the one status. */
export function countWords(mark: Pick<Mark, 'counts' | 'run'>): string {
  if (mark.run && countOf(mark) === 1) {
    return mark.run.status === 'succeeded' && mark.counts.late ? t('schedules.kind.late') : t(`common.status.${mark.run.status}`)
  }
  return KINDS.filter((kind) => mark.counts[kind])
    .map((kind) => t('schedules.timeline.count', { n: formatNumber(mark.counts[kind] ?? 0), kind: t(`schedules.kind.${kind}`) }))
    .join(' · ')
}

/** `09:00`, or from the first to the last. */
export function whenWords(mark: Pick<Mark, 'at' | 'until'>): string {
  if (mark.until === mark.at) return formatTime(mark.at)
  // The viewer's zone is the browser's own: there are many marks, and this is the quickest way.
  const isOneDay = new Date(mark.at).toDateString() === new Date(mark.until).toDateString()
  return `${formatTime(mark.at)} – ${isOneDay ? formatClock(mark.until) : formatTime(mark.until)}`
}

/** Everything on one line. */
export const lineOf = (group: Group): string =>
  [whenWords(group), countWords(group), whyOf(group) ?? group.told.map(whyOf).filter(Boolean)[0]].filter(Boolean).join(' · ')

/** Where its run or its runs are. */
export function linkOf(group: Group, schedule: string): string | { path: string; query: LocationQueryRaw } | undefined {
  if (group.kind === 'planned') return undefined
  if (group.run) return runAddress(group.run.id)
  const iso = (at: number): string => new Date(at).toISOString()
  return { path: '/runs', query: { schedule, since: iso(group.madeFrom), until: iso(group.madeUntil + 1) } }
}
