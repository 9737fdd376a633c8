import { describe, expect, it } from 'vitest'
import { collectInput, leftOut, mainOf, nameOf, textIn, withoutRoot } from './collect'
import { type Files, zipOf } from '../ui/zip'

const files = (...paths: string[]): Files => new Map(paths.map((path) => [path, new Uint8Array([1])]))
const list = (...all: [path: string, content: BlobPart][]): FileList =>
  all.map(([path, content]) => Object.assign(new File([content], path.split('/').at(-1) ?? ''), { webkitRelativePath: path.includes('/') ? path : '' })) as unknown as FileList

describe('files for a script', () => {
  it.each([['a/.git/config', 'a/.git/'], ['__pycache__/m.pyc', '__pycache__/'], ['__MACOSX/job/._main.py', '__MACOSX/'], ['a/.env', 'a/.env'], ['.env', '.env'], ['a/b.py', undefined], ['env.py', undefined], ['git/x', undefined]])(
    '%s: left out is %s',
    (path, why) => expect(leftOut(path)).toBe(why),
  )

  it.each([['price.py', 'price'], ['My report (2).zip', 'My-report-2'], ['价格.py', '价格'], ['.hidden', 'hidden'], ['a/b', 'a-b'], ['...', '']])('%s is called %s', (file, name) => {
    expect(nameOf(file)).toBe(name)
  })

  it('lose the folder that holds them all', () => {
    expect([...withoutRoot(files('job/main.py', 'job/lib/x.py')).keys()]).toEqual(['main.py', 'lib/x.py'])
    expect([...withoutRoot(files('job/main.py', 'other.py')).keys()]).toEqual(['job/main.py', 'other.py'])
  })

  it.each([[['b.py', 'main.py'], 'main.py'], [['job.py', 'z.py'], 'job.py'], [['one.py', 'lib/x.py'], 'one.py'], [['data.csv'], undefined], [['lib/x.py'], 'lib/x.py'], [['job.pyc', 'data.csv'], 'job.pyc']])('%j begin in %s', (paths, main) => {
    expect(mainOf(files(...paths), 'job')).toBe(main)
  })

  it('are read from a folder', async () => {
    const { name, files: found, leftOut: left } = await collectInput(list(['job/main.py', 'x'], ['job/.git/config', 'x'], ['job/.env', 'x'], ['job/lib/a.py', 'x']))
    expect(name).toBe('job')
    expect([...found.keys()]).toEqual(['main.py', 'lib/a.py'])
    expect(left).toEqual(['.git/', '.env'])
  })

  it('are read from an archive', async () => {
    const { name, files: found } = await collectInput(list(['jobs.zip', zipOf(files('jobs/main.py', 'jobs/.git/config', 'jobs/data.csv'))]))
    expect(name).toBe('jobs')
    expect([...found.keys()]).toEqual(['data.csv', 'main.py'])
  })

  it('are a text when they are one file of Python', () => {
    expect(textIn(new Map([['a.py', new Uint8Array([120])]]))).toBe('x')
    expect([files('data.csv'), files('a.pyc'), files('a.py', 'b.py'), new Map([['a.py', new Uint8Array([0])]])].map(textIn)).toEqual([undefined, undefined, undefined, undefined])
  })

  it('are one file', async () => {
    const { name, files: found } = await collectInput(list(['price.py', 'x = 1']))
    expect([name, [...found.keys()]]).toEqual(['price', ['price.py']])
  })
})
