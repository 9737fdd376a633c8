/** Bytes as text. */

/** The text of a file; nothing when it is none. */
export function textOf(bytes: Uint8Array): string | undefined {
  // Source is text whatever it has; in data, a zero byte means that it is none.
  if (bytes.subarray(0, 8000).includes(0)) return undefined
  try {
    // A mark at the beginning stays, or saving would change the file.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
