/** The hours and days above the lanes, in the viewer's zone. */
import { hoursBetween, wallOf } from '../zones'

export interface Tick {
  at: number
  x: number
  /** Whether a day begins. */
  isDay: boolean
  /** Whether there is room for its words. */
  isTold: boolean
}

const STEPS = [1, 2, 3, 6, 12, 24, 48, 168]
/** The least distance of two ticks, in pixels. */
const ROOM = 56

export function ticksOf(from: number, until: number, width: number, zone: string): Tick[] {
  const perHour = (width * 3_600_000) / (until - from)
  const step = STEPS.find((hours) => hours * perHour >= ROOM) ?? 336
  const ticks = hoursBetween(from, until, zone, step)
  return ticks.map((at) => {
    const x = ((at - from) / (until - from)) * width
    return { at, x, isDay: wallOf(at, zone) % 86_400_000 === 0, isTold: x > 18 && x < width - 22 }
  })
}
