import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [{ path: '/schedules', name: 'schedules', component: () => import('./SchedulesPage.vue') }]
