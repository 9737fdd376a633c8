/** What a lane of the timeline shows: marks for fire times, and groups of those that are too close to tell apart. */
import type { Run, RunStatus, Schemas } from '../../api/client'
import { FAILURES } from '../../ui/status'

/** From the worst on: a group looks as the worst in it. */
export const KINDS = ['failed', 'missed', 'skipped', 'late', 'cancelled', 'running', 'waiting', 'succeeded', 'planned'] as const
export type Kind = (typeof KINDS)[number]

/** A start that is later than this is told, in milliseconds. */
export const LATE = 60_000

export interface Mark {
  kind: Kind
  /** The fire time, in milliseconds. */
  at: number
  /** The last one, where several share this mark. */
  until: number
  /** How many of each kind it is. */
  counts: Partial<Record<Kind, number>>
  run?: Pick<Run, 'id' | 'status' | 'reason' | 'lateness_ms' | 'cause'> & { error: string | undefined }
  /** When its runs were made: their list is asked for by this. */
  madeFrom: number
  madeUntil: number
  note?: string
}

export const countOf = (mark: Pick<Mark, 'counts'>): number => Object.values(mark.counts).reduce((sum, count) => sum + count, 0)

export function kindOf(status: RunStatus, lateness: number | null = null): Kind {
  if (FAILURES.includes(status) || status === 'abandoned') return 'failed'
  switch (status) {
    case 'succeeded':
      return lateness !== null && lateness > LATE ? 'late' : 'succeeded'
    case 'missed':
    case 'skipped':
    case 'cancelled':
    case 'running':
      return status
    default:
      return 'waiting'
  }
}

/** The mark of a run. */
export function markOf(run: Run): Mark {
  const { id, status, reason, cause } = run
  // The runs of a backfill wait for one another: that is not late.
  const lateness_ms = cause === 'backfill' ? null : run.lateness_ms
  const kind = kindOf(status, lateness_ms)
  const made = Date.parse(run.created_at)
  const at = run.fire_time ? Date.parse(run.fire_time) : made
  return {
    kind,
    at,
    until: run.fire_time_until ? Date.parse(run.fire_time_until) : at,
    counts: { [kind]: run.count ?? 1 },
    run: { id, status, reason, lateness_ms, cause, error: run.error?.message },
    madeFrom: made,
    madeUntil: made,
  }
}

/** The mark of a slot of counts. `bucket` is its width in milliseconds. */
export function markOfCount({ at, by_status }: Schemas['Count'], bucket: number): Mark {
  const counts: Partial<Record<Kind, number>> = {}
  for (const [status, count] of Object.entries(by_status)) {
    const kind = kindOf(status as RunStatus)
    counts[kind] = (counts[kind] ?? 0) + count
  }
  const from = Date.parse(at)
  return { kind: worst(counts), at: from, until: from + bucket - 1, counts, madeFrom: from, madeUntil: from + bucket - 1 }
}

export function markOfPlan({ at, note }: Schemas['Fire']): Mark {
  const time = Date.parse(at)
  return { kind: 'planned', at: time, until: time, counts: { planned: 1 }, madeFrom: time, madeUntil: time, ...(note ? { note } : {}) }
}

const worst = (counts: Partial<Record<Kind, number>>): Kind => KINDS.find((kind) => (counts[kind] ?? 0) > 0) ?? 'succeeded'

/** Marks at one place of a lane. */
export interface Group extends Mark {
  /** The place, in pixels. */
  x: number
  /** Up to where it reaches. */
  end: number
  /** The worst of its marks, for their reasons. */
  told: Mark[]
}

/** How many marks of a group are told one by one. */
const TOLD = 4

/** Groups marks that are closer than `gap` pixels. What is planned is never in one group with what was. */
export function group(marks: Mark[], place: (at: number) => number, gap: number): Group[] {
  const groups: Group[] = []
  let last: Group | undefined
  for (const mark of marks.toSorted((a, b) => a.at - b.at)) {
    const [x, end] = [place(mark.at), place(mark.until)]
    if (last && x - last.x < gap && (last.kind === 'planned') === (mark.kind === 'planned')) {
      for (const kind of KINDS) if (mark.counts[kind]) last.counts[kind] = (last.counts[kind] ?? 0) + mark.counts[kind]
      last.kind = worst(last.counts)
      last.until = Math.max(last.until, mark.until)
      last.end = Math.max(last.end, end)
      last.madeFrom = Math.min(last.madeFrom, mark.madeFrom)
      last.madeUntil = Math.max(last.madeUntil, mark.madeUntil)
      last.told.push(mark)
      delete last.run
      delete last.note
    } else {
      last = { ...mark, counts: { ...mark.counts }, x, end, told: [mark] }
      groups.push(last)
    }
  }
  for (const each of groups) {
    each.told = each.told
      .filter((mark) => mark.run !== undefined || mark.note !== undefined)
      .toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
      .slice(0, TOLD)
  }
  return groups
}

/** All counts of a lane. */
export function totals(marks: Mark[]): Partial<Record<Kind, number>> {
  const sums: Partial<Record<Kind, number>> = {}
  for (const { counts } of marks) for (const kind of KINDS) if (counts[kind]) sums[kind] = (sums[kind] ?? 0) + counts[kind]
  return sums
}

/** Both together; a run that is in both is as the newer answer tells it. */
export function together(past: Mark[], recent: Mark[]): Mark[] {
  const known = new Set(recent.map(({ run }) => run?.id))
  return [...past.filter(({ run }) => !known.has(run?.id)), ...recent]
}
