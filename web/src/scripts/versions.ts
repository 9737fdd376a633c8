/** What two versions of a script differ in. */
import type { Source } from './queries'
import { textOf } from './text'

export interface FileChange {
  path: string
  kind: 'added' | 'removed' | 'changed'
  before: string
  after: string
  isText: boolean
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at])
const NONE = new Uint8Array()

/** The files that differ, the one where a run begins first. A single file may have another name in each of them. */
export function changesBetween(before: Source, after: Source): FileChange[] {
  const isOne = before.files.size === 1 && after.files.size === 1
  const old = isOne ? new Map([[after.main, before.files.get(before.main) ?? NONE]]) : before.files
  const paths = [...new Set([...old.keys(), ...after.files.keys()])]
  const changes = paths.flatMap((path): FileChange[] => {
    const [a, b] = [old.get(path), after.files.get(path)]
    if (a && b && isSame(a, b)) return []
    const [left, right] = [textOf(a ?? NONE), textOf(b ?? NONE)]
    return [{
      path, kind: !a ? 'added' : !b ? 'removed' : 'changed', before: left ?? '', after: right ?? '', isText: left !== undefined && right !== undefined,
    }]
  })
  return changes.sort((a, b) => Number(b.path === after.main) - Number(a.path === after.main) || a.path.localeCompare(b.path))
}
