import { describe, expect, it } from 'vitest'
import { blockOf, tomlOf } from './block'

const keys = (...lines: string[]) => [...blockOf(['# /// script', ...lines.map((line) => `# ${line}`), '# ///', 'x = 1'].join('\n')).settings].sort()

describe('the block of a script', () => {
  it('is found, without its marks', () => {
    expect(tomlOf('import x\n# /// script\n# a = 1\n#\n# b = 2\n# ///\n# c = 3\n')).toBe('a = 1\n\nb = 2\n')
    expect(tomlOf('# /// script\r\n# a = 1\r\n# ///\r\n')).toBe('a = 1\r\n')
    expect(tomlOf('# /// other\n# a = 1\n# ///\n')).toBeUndefined()
    expect(tomlOf('a = 1\n')).toBeUndefined()
  })

  it('has the keys of its table', () => {
    expect(keys('dependencies = ["x"]', '[tool.cronbox]', 'timezone = "UTC"', 'retries = 2')).toEqual(['retries', 'timezone'])
    expect(keys('[tool.other]', 'timezone = "UTC"')).toEqual([])
    expect(keys('requires-python = ">=3"')).toEqual([])
  })

  it('has keys in every way that TOML writes them', () => {
    expect(keys('tool.cronbox = { allow = ["a.example.com"], limits = { memory = "1MiB", timeout = 3 } }')).toEqual([
      'allow', 'limits', 'limits.memory', 'limits.timeout',
    ])
    expect(keys('[tool.cronbox.limits]', 'memory = "1MiB"', '[tool."cronbox"]', '"title" = "a # b"')).toEqual(['limits', 'limits.memory', 'title'])
    expect(keys('[tool]', 'cronbox.env.A = "x"', "cronbox.env.B = 'y'")).toEqual(['env', 'env.A', 'env.B'])
    expect(keys('[[tool.cronbox.schedule]]', 'cron = "0 2 * * *"')).toEqual(['schedule', 'schedule.cron'])
  })

  it('is not confused by values', () => {
    expect(keys('[tool.cronbox]', 'title = """', 'limits = 3', '"""', 'allow = [ # why', '  "a]", "b=c",', ']', 'keep = { count = 3 }')).toEqual([
      'allow', 'keep', 'keep.count', 'title',
    ])
    expect(keys('[tool.cronbox]', 'retries = 1', 'wrong line', 'env = {}')).toEqual(['retries'])
  })
})
