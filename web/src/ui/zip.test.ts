import { describe, expect, it } from 'vitest'
import { BadZip, type Files, filesOfZip, isZip, zipOf } from './zip'

const bytes = (text: string) => new TextEncoder().encode(text)
const FILES: Files = new Map([
  ['main.py', bytes('def run():\n    return 1\n')],
  ['data/größe.csv', bytes('a,b\n1,2\n')],
  ['empty.txt', bytes('')],
])

/** Made by Python's zipfile. */
const PYTHON =
  'UEsDBBQAAAAIAAAAIVwAAAAAAgAAAAAAAAAHAAAAZm9sZGVyLwMAUEsDBBQAAAAIAAAAIVyit2yDEAAAAMIBAAAHAAAAbWFpbi5weSsoyswr0T' +
  'DU5CoYZQxNBgBQSwMEFAAACAgAAAAhXK10gVcPAAAAkAEAABAAAABkYXRhL2dyw7bDn2UuY3N2S9RJ4jLUMeJKHKUHBQ0AUEsBAhQDFAAAAAgA' +
  'AAAhXAAAAAACAAAAAAAAAAcAAAAAAAAAAAAAAIABAAAAAGZvbGRlci9QSwECFAMUAAAACAAAACFcordsgxAAAADCAQAABwAAAAAAAAAAAAAAgA' +
  'EnAAAAbWFpbi5weVBLAQIUAxQAAAgIAAAAIVytdIFXDwAAAJABAAAQAAAAAAAAAAAAAACAAVwAAABkYXRhL2dyw7bDn2UuY3N2UEsFBgAAAAAD' +
  'AAMAqAAAAJkAAAAOAG1hZGUgYnkgYSB0ZXN0'

const asText = (files: Files) => Object.fromEntries([...files].map(([name, content]) => [name, new TextDecoder().decode(content)]))

describe('zip', () => {
  it('reads what it wrote', async () => {
    const archive = zipOf(FILES)
    expect(isZip(archive)).toBe(true)
    expect(asText(await filesOfZip(archive))).toEqual(asText(FILES))
  })

  it('gives the same archive for the same files, in whatever order', () => {
    expect(zipOf(new Map([...FILES].reverse()))).toEqual(zipOf(FILES))
  })

  it('reads what Python compressed, with folders and a comment', async () => {
    const read = asText(await filesOfZip(Uint8Array.from(atob(PYTHON), (each) => each.charCodeAt(0))))
    expect(Object.keys(read)).toEqual(['main.py', 'data/größe.csv'])
    expect(read['main.py']).toBe('print(1)\n'.repeat(50))
    expect(read['data/größe.csv']).toBe('a,b\n1,2\n'.repeat(50))
  })

  it('says why when it is none', async () => {
    await expect(filesOfZip(bytes('nothing of the kind, but long enough'))).rejects.toThrow(BadZip)
    await expect(filesOfZip(zipOf(FILES).subarray(40))).rejects.toThrow(BadZip)
    await expect(filesOfZip(bytes(''))).rejects.toThrow(BadZip)
  })
})
