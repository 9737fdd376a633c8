/** What a run comes to in one line: the sentence of its error, why it did not run, or who started it. */
import type { Run } from '../api/client'
import { t } from '../i18n'
import { previewOf } from '../runs/preview'
import { reasonWords } from '../ui/reason'

export function gist(run: Run): string {
  if (run.error) return previewOf(run).text
  if (run.reason) return reasonWords(run.reason)
  return run.schedule ?? t(`common.cause.${run.cause}`)
}
