/** Does pieces of work one after the other, and lets the browser do what is due between them: typing, scrolling, drawing. */
import { nextTick } from 'vue'

/** So long it works in one piece, in milliseconds; the browser's own part of it comes on top. */
const PIECE = 12

const waiting = new Map<object, () => void>()
let isWorking = false

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

async function work(): Promise<void> {
  isWorking = true
  // Not in the same piece as what asked for it.
  await pause()
  let began = performance.now()
  for (const [whose, piece] of waiting) {
    waiting.delete(whose)
    piece()
    // What it changed is drawn as a part of it.
    await nextTick()
    if (performance.now() - began < PIECE) continue
    await pause()
    began = performance.now()
  }
  isWorking = false
}

/** Does it soon. What the same one still waits for is replaced. */
export function inTurn(whose: object, piece: () => void): void {
  waiting.set(whose, piece)
  if (!isWorking) void work()
}

/** Leaves out what it waits for. */
export const skipTurn = (whose: object): unknown => waiting.delete(whose)
