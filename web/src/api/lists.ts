/** The first scripts and schedules, for choices and suggestions in several rooms. */
import { useQuery } from '@tanstack/vue-query'
import { type MaybeRefOrGetter, toValue } from 'vue'
import { api, ok } from './client'

const SHOWN = 500

export const useScriptNames = (enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({ queryKey: ['scripts', 'names'], queryFn: () => ok(api.GET('/v1/scripts', { params: { query: { limit: SHOWN } } })), enabled: () => toValue(enabled) })

export const useScheduleNames = (enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({ queryKey: ['schedules', 'names'], queryFn: () => ok(api.GET('/v1/schedules', { params: { query: { limit: SHOWN } } })), enabled: () => toValue(enabled) })
