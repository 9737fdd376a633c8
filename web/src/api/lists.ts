/**
 * The first scripts, schedules and alerts, for choices and suggestions in several rooms. Runs do not change them: they have a topic of their own,
 * so that events of runs do not read them again.
 */
import { useQuery } from '@tanstack/vue-query'
import { type MaybeRefOrGetter, toValue } from 'vue'
import { api, ok } from './client'

const SHOWN = 500

export const useScriptNames = (enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({ queryKey: ['names', 'scripts'], queryFn: () => ok(api.GET('/v1/scripts', { params: { query: { limit: SHOWN } } })), enabled: () => toValue(enabled) })

export const useAlertNames = (enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({ queryKey: ['alerts', 'names'], queryFn: () => ok(api.GET('/v1/alerts', { params: { query: { limit: SHOWN } } })), enabled: () => toValue(enabled) })

export const useScheduleNames = (enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({ queryKey: ['names', 'schedules'], queryFn: () => ok(api.GET('/v1/schedules', { params: { query: { limit: SHOWN } } })), enabled: () => toValue(enabled) })
