/** The addresses of the page. Each room has its own list. */
import { createRouter, createWebHistory } from 'vue-router'
import { routes as access } from './access/routes'
import { routes as alerts } from './alerts/routes'
import { BASE } from './api/client'
import { routes as charts } from './charts/routes'
import { routes as runs } from './runs/routes'
import { routes as schedules } from './schedules/routes'
import { routes as scripts } from './scripts/routes'

export const router = createRouter({
  history: createWebHistory(BASE.pathname),
  routes: [
    { path: '/', name: 'overview', component: () => import('./overview/OverviewPage.vue') },
    ...scripts,
    ...schedules,
    ...runs,
    ...charts,
    ...alerts,
    ...access,
    { path: '/:path(.*)*', name: 'nowhere', component: () => import('./shell/NotFoundPage.vue') },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})
