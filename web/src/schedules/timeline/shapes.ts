/** The shapes of marks. Each kind has its own, so that colour is not needed to tell them apart. */
import type { Kind } from './marks'

export interface Shape {
  body: string
  /** Filled, or only its edge. */
  isFull: boolean
  /** Lines over the body. */
  over?: string
}

/** A rectangle with round corners. */
const box = (x: number, y: number, width: number, height: number, round: number): string => {
  const arc = (dx: number, dy: number): string => `a ${round} ${round} 0 0 1 ${dx * round} ${dy * round}`
  const [across, down] = [width - 2 * round, height - 2 * round]
  return `M ${x + round} ${y} h ${across} ${arc(1, 1)} v ${down} ${arc(-1, 1)} h ${-across} ${arc(-1, -1)} v ${-down} ${arc(1, -1)} z`
}

/** Its middle is at 0, 0; it is `wide` pixels longer to the right than alone. */
export function shapeOf(kind: Kind, wide = 0): Shape {
  switch (kind) {
    case 'succeeded':
      return { body: box(-4, -8, 8 + wide, 16, 2), isFull: true }
    case 'late':
      return { body: `M -5 -8 h ${6 + wide} l 5 8 l -5 8 h ${-6 - wide} z`, isFull: true }
    case 'failed':
      return { body: box(-6, -8, 12 + wide, 16, 2), isFull: true, over: `M ${-3 + wide / 2} -3 l 6 6 m 0 -6 l -6 6` }
    case 'missed':
      return { body: box(-6, -6, 12 + wide, 12, 6), isFull: false, over: 'M 0 -3 v 3 l 2.5 1.5' }
    case 'skipped':
      return { body: `M -6 0 l 6 -6 h ${wide} l 6 6 l -6 6 h ${-wide} z`, isFull: false }
    case 'cancelled':
      return { body: `M -5 -5 h ${10 + wide} v 10 h ${-10 - wide} z`, isFull: false }
    case 'running':
      return { body: box(-7, -7, 14, 14, 7), isFull: false, over: 'M -1.5 -2.5 l 4 2.5 l -4 2.5 z' }
    case 'waiting':
      return { body: box(-7, -7, 14, 14, 7), isFull: false }
    case 'planned':
      return { body: box(-3.5, -7, 7 + wide, 14, 2), isFull: false }
  }
}
