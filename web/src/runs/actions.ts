/** The verbs of runs. Errors are thrown. */
import { fetchOk, type Run } from '../api/client'
import { refresh } from '../api/queries'
import { t } from '../i18n'
import { confirm } from '../ui/confirm'

const path = (id: string): string => `v1/runs/${encodeURIComponent(id)}`

/** Starts it again as it was; the answer is the new run. */
export async function retry(run: Run): Promise<Run> {
  const made = (await (await fetchOk(`${path(run.id)}/retry`, { method: 'POST' })).json()) as Run
  void refresh('runs')
  return made
}

export const maySurelyCancel = (run: Run): Promise<boolean> =>
  confirm({ title: t('runs.verbs.cancelTitle'), body: t('runs.verbs.cancelBody', { script: run.script }), action: t('runs.verbs.cancel'), danger: true })

export async function cancel(run: Run): Promise<void> {
  await fetchOk(`${path(run.id)}/cancel`, { method: 'POST' })
  await refresh('runs')
}

export const maySurelyDelete = (): Promise<boolean> =>
  confirm({ title: t('runs.verbs.deleteTitle'), body: t('runs.verbs.deleteBody'), action: t('common.delete'), danger: true })

export async function remove(run: Run): Promise<void> {
  await fetchOk(path(run.id), { method: 'DELETE' })
}
