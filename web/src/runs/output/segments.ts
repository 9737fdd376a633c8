/** What a row shows: pieces of text, each with its look, and the hits of a search in it. */
import { PLAIN } from './ansi'
import type { Span } from './lines'
import { lookOf, type Look } from './looks'

export interface Hit {
  line: number
  from: number
  to: number
}

export interface Segment {
  text: string
  look: Look
  /** `now` is the hit that the reader is at. */
  hit: 'no' | 'yes' | 'now'
}

/** The first of a sorted list for which something holds from there on. */
function firstAt<T>(list: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const item = list[middle]
    if (item !== undefined && holds(item)) high = middle
    else low = middle + 1
  }
  return low
}

/** The pieces of a part of a line. `hits` are those of all lines, in order. */
export function segments(
  text: string,
  [from, to]: readonly [number, number],
  spans: readonly Span[] | undefined,
  hits: readonly Hit[] = [],
  line = 0,
  now?: Hit,
): Segment[] {
  const cuts = new Set([from, to])
  const styled: Span[] = []
  if (spans) {
    for (let at = firstAt(spans, (span) => span.to > from); at < spans.length; at += 1) {
      const span = spans[at]
      if (!span || span.from >= to) break
      styled.push(span)
      cuts.add(Math.max(from, span.from)).add(Math.min(to, span.to))
    }
  }
  const marked: Hit[] = []
  for (let at = firstAt(hits, (hit) => hit.line > line || (hit.line === line && hit.to > from)); at < hits.length; at += 1) {
    const hit = hits[at]
    if (!hit || hit.line !== line || hit.from >= to) break
    marked.push(hit)
    cuts.add(Math.max(from, hit.from)).add(Math.min(to, hit.to))
  }
  const places = [...cuts].sort((a, b) => a - b)
  const pieces: Segment[] = []
  let [span, mark] = [0, 0]
  for (let at = 0; at + 1 < places.length; at += 1) {
    const [begin = 0, end = 0] = [places[at], places[at + 1]]
    while ((styled[span]?.to ?? Infinity) <= begin) span += 1
    while ((marked[mark]?.to ?? Infinity) <= begin) mark += 1
    const [style, hit] = [styled[span], marked[mark]]
    const isHit = hit !== undefined && hit.from <= begin
    pieces.push({
      text: text.slice(begin, end),
      look: lookOf(style && style.from <= begin ? style.style : PLAIN),
      hit: isHit ? (hit === now ? 'now' : 'yes') : 'no',
    })
  }
  return pieces
}

/** No more hits than this are looked for. */
export const MOST_HITS = 10_000

/** Where a text is in lines, whatever its case. */
export function findHits(wanted: string, lines: number, textOf: (line: number) => string): Hit[] {
  const hits: Hit[] = []
  if (wanted === '') return hits
  const pattern = new RegExp(wanted.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'giu')
  for (let line = 0; line < lines; line += 1) {
    for (const match of textOf(line).matchAll(pattern)) {
      hits.push({ line, from: match.index, to: match.index + match[0].length })
      if (hits.length >= MOST_HITS) return hits
    }
  }
  return hits
}
