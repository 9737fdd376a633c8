/** The server's notes on changes of the clocks, taken apart: they are sentences in English. */
export type NoteParts =
  | { kind: 'gap'; time: string; day?: string }
  | { kind: 'first' | 'second' }
  | { kind: 'forward' | 'back'; by: string }

export function noteParts(note: string): NoteParts | undefined {
  const gap = note.match(/^(\d\d:\d\d(?::\d\d)?) does not exist on (this day|\d{4}-\d\d-\d\d):/)
  if (gap?.[1] && gap[2]) return gap[2] === 'this day' ? { kind: 'gap', time: gap[1] } : { kind: 'gap', time: gap[1], day: gap[2] }
  const twice = note.match(/^this time comes twice: (first|second) of two$/)
  if (twice) return { kind: twice[1] === 'first' ? 'first' : 'second' }
  const moved = note.match(/^clocks went (forward|back) ([0-9wdhms]+)/)
  if (moved?.[2]) return { kind: moved[1] === 'forward' ? 'forward' : 'back', by: moved[2] }
  return undefined
}
