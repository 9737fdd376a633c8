/** Keeps a question from being asked too often: a busy server has many events a second, and each makes the page ask again. */

interface Asked<T> {
  answer: Promise<T>
  /** When it may be asked again. */
  next: number
}

/**
 * Asks at most once in so many milliseconds for each key. Whoever asks while it is being asked, gets the same answer; whoever asks
 * early, waits.
 */
export class Paced {
  private readonly asked = new Map<string, Asked<unknown>>()
  private readonly pause: number

  constructor(pause: number) {
    this.pause = pause
  }

  public ask<T>(key: string, question: () => Promise<T>): Promise<T> {
    const now = Date.now()
    const known = this.asked.get(key) as Asked<T> | undefined
    if (known && known.next === Infinity) return known.answer
    const wait = Math.max(0, (known?.next ?? 0) - now)
    const mine: Asked<T> = { answer: after(wait).then(question), next: Infinity }
    this.asked.set(key, mine)
    mine.answer.then(
      () => (mine.next = Date.now() + this.pause),
      // What failed may be asked again at once.
      () => this.asked.delete(key),
    )
    return mine.answer
  }
}

const after = (ms: number): Promise<void> => (ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve())
