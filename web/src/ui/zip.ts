/** Zip archives, read and written. */
import { unzipSync, zipSync } from 'fflate'

export type Files = Map<string, Uint8Array<ArrayBuffer>>

/** Why an archive cannot be read. */
export class BadZip extends Error {
  override name = 'BadZip'
}

/** The first day that an archive can name: equal files give equal archives. */
const DAY = '1980-01-01T00:00:00'

export const isZip = (bytes: Uint8Array): boolean =>
  bytes.length > 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5)

/**
 * The files of an archive, by path. Not with the library's worker: it is made of a text, which our Content-Security-Policy forbids, and
 * a large file would never be read.
 */
export async function filesOfZip(bytes: Uint8Array): Promise<Files> {
  try {
    const files = unzipSync(bytes, { filter: (file) => !file.name.endsWith('/') })
    return new Map(Object.entries(files).map(([path, content]) => [path, new Uint8Array(content)]))
  } catch (error) {
    throw new BadZip(error instanceof Error ? error.message : String(error))
  }
}

/** An archive of files, in the order of their paths. The server compresses what it keeps, so this does not. */
export function zipOf(files: Files): Uint8Array<ArrayBuffer> {
  const sorted = [...files].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return new Uint8Array(zipSync(Object.fromEntries(sorted), { level: 0, mtime: DAY }))
}
