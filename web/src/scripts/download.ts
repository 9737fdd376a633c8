/** Downloads what needs the session's header, which a link cannot send. */
import { fetchOk } from '../api/client'

export async function download(address: string, name: string): Promise<void> {
  const answer = await fetchOk(address)
  const url = URL.createObjectURL(await answer.blob())
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
