/** What a run comes to in one line: the sentence of its error, why it did not run, or who started it. */
import type { Run } from '../api/client'
import { t } from '../i18n'

export function gist(run: Run): string {
  if (run.error) {
    const first = run.error.message.split('\n', 1)[0] ?? ''
    return first === '' ? run.error.type : first
  }
  if (run.reason) return run.reason
  return run.schedule ?? t(`common.cause.${run.cause}`)
}
