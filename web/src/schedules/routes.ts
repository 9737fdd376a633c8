import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/schedules', name: 'schedules', component: () => import('./SchedulesPage.vue') },
  { path: '/schedules/:id', name: 'schedule', component: () => import('./SchedulePage.vue'), props: true },
]
