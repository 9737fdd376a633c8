/** A schedule, asked for by its id. */
import { fetchOk, type Schedule } from '../api/client'
import { readSchedule } from './read'

/** A schedule, and the mark of its state. */
export interface Known {
  schedule: Schedule
  etag: string | undefined
}

export async function load(id: string): Promise<Known> {
  const answer = await fetchOk(`v1/schedules/${encodeURIComponent(id)}`)
  return { schedule: readSchedule(await answer.text()), etag: answer.headers.get('ETag') ?? undefined }
}
