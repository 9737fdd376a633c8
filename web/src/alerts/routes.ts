import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/alerts',
    component: () => import('./AlertsRoom.vue'),
    children: [
      { path: '', name: 'alerts', component: () => import('./AlertsPage.vue') },
      { path: '/channels', name: 'channels', component: () => import('./ChannelsPage.vue') },
      { path: '/deliveries', name: 'deliveries', component: () => import('./DeliveriesPage.vue') },
    ],
  },
  // Messages link to it.
  { path: '/alerts/:id/mute', name: 'mute alert', component: () => import('./MutePage.vue'), props: true },
  { path: '/alerts/:id', alias: '/alerts/:id/overview', name: 'alert', component: () => import('./AlertPage.vue'), props: true },
]
