import { expect, it } from 'vitest'
import { lastLine, placeOf } from './error'

const trace = `Traceback (most recent call last):
  File "/app/a.py", line 6, in run
    helper()
  File "/app/lib/b c.py", line 12, in helper
    json.loads("")
  File "/usr/lib/python3.14/json/__init__.py", line 3, in loads
ValueError: no
`

it.each([
  [{ type: 'ValueError', message: 'no', traceback: trace }, { file: 'lib/b c.py', line: 12, inside: 'helper' }],
  [{ type: 'SyntaxError', message: 'x', traceback: '  File "/app/a.py", line 3\n    def\n' }, { file: 'a.py', line: 3, inside: undefined }],
  [{ type: 'OutOfFuel', message: 'stopped (raise limits.fuel); it stopped at /app/a.py, line 7, in run', traceback: '' }, { file: 'a.py', line: 7, inside: 'run' }],
  [{ type: 'ResultError', message: 'no', traceback: 'ResultError: no\n' }, undefined],
])('%#', (error, wanted) => expect(placeOf(error)).toEqual(wanted))

it('takes the last line with text', () => expect(lastLine(`${trace}\n\n`)).toBe('ValueError: no'))
