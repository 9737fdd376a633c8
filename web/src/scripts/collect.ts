/** Files that were dropped or chosen: read, and without what no script needs. */
import { type Files, filesOfZip, isZip } from '../ui/zip'
import { textOf } from './text'

/** The server takes no more bytes together. */
export const MOST_BYTES = 16 * 1024 * 1024
const TOOLS = ['.git', '.hg', '.svn', '.venv', 'venv', 'env', '__pycache__', '__MACOSX', 'node_modules', '.mypy_cache', '.pytest_cache', '.ruff_cache', '.idea', '.vscode']
const JUNK = ['.DS_Store', 'Thumbs.db', '.env']

/** The part of a path that makes it be left out: a folder of a tool, or a file that is none of the script's. */
export function leftOut(path: string): string | undefined {
  const parts = path.split('/')
  const folder = parts.slice(0, -1).findIndex((part) => TOOLS.includes(part))
  if (folder >= 0) return `${parts.slice(0, folder + 1).join('/')}/`
  return JUNK.includes(parts.at(-1) ?? '') ? path : undefined
}

export interface Collected {
  /** What the script may be called. */
  name: string
  files: Files
  leftOut: string[]
}

/** A name that the server takes, from that of a file or a folder. */
export function nameOf(file: string): string {
  const stem = file.replace(/\.(py|zip)$/i, '')
  return stem.normalize('NFC').replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replaceAll(/^[.-]+|-+$/g, '').slice(0, 100)
}

/** Without the folder that holds everything. */
export function withoutRoot(files: Files): Files {
  const roots = new Set([...files.keys()].map((path) => (path.includes('/') ? path.slice(0, path.indexOf('/') + 1) : '')))
  const [root] = roots
  if (roots.size !== 1 || !root) return files
  return new Map([...files].map(([path, content]) => [path.slice(root.length), content]))
}

/** The text of a script that is one file; nothing: it is several files, or no text. */
export function textIn(files: Files): string | undefined {
  const [only] = [...files]
  return only && files.size === 1 && only[0].endsWith('.py') ? textOf(only[1]) : undefined
}

/** The file where a run begins: as the server finds it, or the only one at the top. */
export function mainOf(files: Files, name: string): string | undefined {
  const python = [...files.keys()].filter((path) => path.endsWith('.py'))
  const top = python.filter((path) => !path.includes('/'))
  const compiled = [...files.keys()].find((path) => path.endsWith('.pyc'))
  return ['main.py', '__main__.py', `${name}.py`].find((path) => files.has(path)) ?? top[0] ?? python[0] ?? compiled
}

type Picked = [path: string, file: File]

async function read(picked: Picked[], name: string): Promise<Collected> {
  const files: Files = new Map()
  const left = new Set<string>()
  for (const [path, file] of picked) {
    const why = leftOut(path)
    if (why) left.add(why)
    else files.set(path, new Uint8Array(await file.arrayBuffer()))
  }
  const [only] = [...files]
  if (only && files.size === 1 && isZip(only[1])) {
    const packed = await filesOfZip(only[1])
    for (const path of [...packed.keys()]) {
      const why = leftOut(path)
      if (!why) continue
      left.add(why)
      packed.delete(path)
    }
    return { name: nameOf(only[0]), files: withoutRoot(packed), leftOut: [...left] }
  }
  return { name: nameOf(name), files: withoutRoot(files), leftOut: [...left].map((path) => path.replace(/^[^/]+\/(?=.)/, '')) }
}

/** What an input of files has. */
export async function collectInput(list: FileList): Promise<Collected> {
  const picked = [...list].map((file): Picked => [file.webkitRelativePath || file.name, file])
  const first = picked[0]?.[0] ?? ''
  return read(picked, first.split('/')[0] ?? first)
}

const entryFile = (entry: FileSystemFileEntry): Promise<File> => new Promise((resolve, reject) => entry.file(resolve, reject))

async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    // A reader gives at most a hundred at once.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return all
    all.push(...some)
  }
}

async function walk(entry: FileSystemEntry, path: string, picked: Picked[], left: Set<string>): Promise<void> {
  const here = `${path}${entry.name}`
  if (entry.isFile) picked.push([here, await entryFile(entry as FileSystemFileEntry)])
  else if (TOOLS.includes(entry.name)) left.add(`${here}/`)
  else for (const each of await entriesOf(entry as FileSystemDirectoryEntry)) await walk(each, `${here}/`, picked, left)
}

/** What was dropped. */
export async function collectDrop(transfer: DataTransfer): Promise<Collected> {
  // They are asked for before anything is waited for: after that the browser has forgotten them.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  const picked: Picked[] = []
  const left = new Set<string>()
  for (const entry of entries) await walk(entry, '', picked, left)
  const collected = await read(picked, entries[0]?.name ?? '')
  return { ...collected, leftOut: [...left, ...collected.leftOut].map((path) => (entries.length === 1 ? path.replace(/^[^/]+\/(?=.)/, '') : path)) }
}
