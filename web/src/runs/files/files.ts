/** The files that a run left under /output. */
import { useQuery } from '@tanstack/vue-query'
import { api, fetchOk, ok, type Schemas } from '../../api/client'
import { recognize, type Recognized } from './kind'

export type RunFile = Schemas['File']

const pathOf = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
export const fileAddress = (id: string, path: string): string => `v1/runs/${encodeURIComponent(id)}/files/${pathOf(path)}`
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

export function useFiles(id: () => string, enabled: () => boolean) {
  return useQuery({
    queryKey: ['runs', id, 'files'],
    queryFn: async () => (await ok(api.GET('/v1/runs/{id}/files', { params: { path: { id: id() } } }))).items,
    enabled,
  })
}

export interface Content extends Recognized {
  bytes: Uint8Array<ArrayBuffer>
}

/** A file and what it is. Files are asked for after the end of their run, and do not change then. */
export function useContent(id: () => string, path: () => string, enabled: () => boolean = () => true) {
  return useQuery({
    queryKey: ['runs', id, 'file', path],
    queryFn: async (): Promise<Content> => {
      const bytes = new Uint8Array(await (await fetchOk(fileAddress(id(), path()))).arrayBuffer())
      return { bytes, ...recognize(bytes) }
    },
    enabled,
    staleTime: 'static',
    gcTime: 60_000,
    structuralSharing: false,
  })
}
