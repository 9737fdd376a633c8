import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/schedules', name: 'schedules', component: () => import('./SchedulesPage.vue') },
  { path: '/schedules/new', name: 'new schedule', component: () => import('./NewSchedulePage.vue') },
  { path: '/schedules/:id/edit', name: 'edit schedule', component: () => import('./EditSchedulePage.vue'), props: true },
  { path: '/schedules/:id', alias: '/schedules/:id/overview', name: 'schedule', component: () => import('./SchedulePage.vue'), props: true },
]
