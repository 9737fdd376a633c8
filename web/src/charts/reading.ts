/** What a cursor on a chart reads. */
import { firstFrom, type Aligned, type Sample } from './series'

/** A value of one line at the cursor. */
export interface Reading {
  /** Which line. */
  which: number
  sample: Sample
}

/** The times at which a line that is shown has a value, in order. */
export function stopsOf({ shown }: Pick<Aligned, 'shown'>, hidden: ReadonlySet<number>): number[] {
  const times = new Set<number>()
  shown.forEach((samples, which) => {
    if (hidden.has(which)) return
    for (const { at, value } of samples) if (value !== null) times.add(at)
  })
  return [...times].sort((a, b) => a - b)
}

/** The place of the nearest number of a sorted list; -1 of an empty one. */
export function nearest(sorted: readonly number[], wanted: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? Infinity) < wanted) low = middle + 1
    else high = middle
  }
  const [before, after] = [sorted[low - 1], sorted[low]]
  if (before === undefined) return after === undefined ? -1 : low
  return after === undefined || wanted - before <= after - wanted ? low - 1 : low
}

/** The value that each line has near a time: at most `tolerance` away. */
export function readingsAt({ shown }: Pick<Aligned, 'shown'>, hidden: ReadonlySet<number>, at: number, tolerance: number): Reading[] {
  return shown.flatMap((samples, which) => {
    if (hidden.has(which)) return []
    const after = firstFrom(samples, at)
    const near = [samples[after - 1], samples[after]].filter((sample) => sample !== undefined && sample.value !== null)
    const best = near.toSorted((a, b) => Math.abs((a?.at ?? 0) - at) - Math.abs((b?.at ?? 0) - at))[0]
    return best && Math.abs(best.at - at) <= tolerance ? [{ which, sample: best }] : []
  })
}

/** The cursor after a key; undefined where the key is about something else. */
export function moveCursor(key: string, place: number, count: number): number | undefined {
  if (count === 0) return undefined
  const page = Math.max(1, Math.round(count / 10))
  const moves: Record<string, number> = {
    ArrowLeft: place - 1, ArrowRight: place + 1, PageUp: place - page, PageDown: place + page, Home: 0, End: count - 1,
  }
  const wanted = moves[key]
  return wanted === undefined ? undefined : Math.min(count - 1, Math.max(0, wanted))
}
