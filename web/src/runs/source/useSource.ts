/** The source of a script's version, as the run had it. */
import { useQuery } from '@tanstack/vue-query'
import { fetchOk } from '../../api/client'

/** The file of a version; null: it has none of that name, or it cannot be read. */
export function useSource(script: () => string, version: () => number | null, file: () => string) {
  return useQuery({
    queryKey: ['scripts', script, 'source', version, file],
    queryFn: async (): Promise<string | null> => {
      const answer = await fetchOk(`v1/scripts/${encodeURIComponent(script())}/versions/${version()}/source`)
      if (!(answer.headers.get('Content-Type') ?? '').includes('zip')) return answer.text()
      const { filesOfZip } = await import('../../ui/zip')
      const files = await filesOfZip(new Uint8Array(await answer.arrayBuffer()))
      const content = files.get(file())
      return content ? new TextDecoder().decode(content) : null
    },
    enabled: () => version() !== null,
    staleTime: Infinity,
    retry: false,
  })
}
