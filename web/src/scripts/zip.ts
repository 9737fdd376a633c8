/** Zip archives: read with what the browser has, written without compression (the server compresses what it keeps). */

export type Files = Map<string, Uint8Array<ArrayBuffer>>

/** Why an archive cannot be read. */
export class BadZip extends Error {
  override name = 'BadZip'
}

const END = 0x06054b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50
/** The end record has a comment of at most so many bytes. */
const LONGEST_COMMENT = 0xffff
/** Names are UTF-8. */
const UTF8 = 0x0800
/** 1980-01-01, the first day that an archive can name: equal files give equal archives. */
const DAY = 0x0021

const CRC = Uint32Array.from({ length: 256 }, (_, at) => {
  let value = at
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC[(crc ^ byte) & 0xff] ?? 0)
  return (crc ^ 0xffffffff) >>> 0
}

export const isZip = (bytes: Uint8Array): boolean =>
  bytes.length > 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5)

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

/** The files of an archive, by path. */
export async function filesOfZip(bytes: Uint8Array<ArrayBuffer>): Promise<Files> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let end = bytes.length - 22
  while (end >= 0 && view.getUint32(end, true) !== END) {
    end -= 1
    if (end < bytes.length - 22 - LONGEST_COMMENT) end = -1
  }
  if (end < 0) throw new BadZip('no end of the archive')
  const files: Files = new Map()
  let at = view.getUint32(end + 16, true)
  try {
    for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
      if (view.getUint32(at, true) !== CENTRAL) throw new BadZip('no entry where one should be')
      const [method, packed] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)]
      const [name, extra, comment] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
      const local = view.getUint32(at + 42, true)
      const path = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name))
      at += 46 + name + extra + comment
      if (path.endsWith('/')) continue
      if (view.getUint32(local, true) !== LOCAL) throw new BadZip('no file where one should be')
      const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
      const content = bytes.subarray(from, from + packed)
      if (method !== 0 && method !== 8) throw new BadZip(`compressed in a way that is not known (${method})`)
      files.set(path, method === 8 ? await inflate(content) : content.slice())
    }
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new BadZip('cut off or damaged')
    throw error
  }
  return files
}

/** An archive of files, in the order of their paths. */
export function zipOf(files: Files): Uint8Array<ArrayBuffer> {
  const entries = [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, content]) => ({
    path: new TextEncoder().encode(path), content, crc: crc32(content),
  }))
  const size = entries.reduce((sum, { path, content }) => sum + 76 + 2 * path.length + content.length, 22)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  const u16 = (value: number): void => {
    view.setUint16(at, value, true)
    at += 2
  }
  const u32 = (value: number): void => {
    view.setUint32(at, value, true)
    at += 4
  }
  const raw = (content: Uint8Array): void => {
    bytes.set(content, at)
    at += content.length
  }
  type Entry = (typeof entries)[number]
  const common = ({ path, content, crc }: Entry): void => {
    for (const value of [20, UTF8, 0, 0, DAY]) u16(value)
    for (const value of [crc, content.length, content.length]) u32(value)
    u16(path.length)
    u16(0)
  }
  const places = entries.map((entry) => {
    const place = at
    u32(LOCAL)
    common(entry)
    raw(entry.path)
    raw(entry.content)
    return place
  })
  const central = at
  entries.forEach((entry, number) => {
    u32(CENTRAL)
    u16(20)
    common(entry)
    for (const value of [0, 0, 0]) u16(value)
    u32(0)
    u32(places[number] ?? 0)
    raw(entry.path)
  })
  const length = at - central
  u32(END)
  for (const value of [0, 0, entries.length, entries.length]) u16(value)
  u32(length)
  u32(central)
  u16(0)
  return bytes
}
