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
  { path: '/alerts/new', name: 'new alert', component: () => import('./NewAlertPage.vue') },
  { path: '/alerts/:id/edit', name: 'edit alert', component: () => import('./EditAlertPage.vue'), props: true },
  // Messages link to it.
  { path: '/alerts/:id/mute', name: 'mute alert', component: () => import('./MutePage.vue'), props: true },
  { path: '/alerts/:id', alias: '/alerts/:id/overview', name: 'alert', component: () => import('./AlertPage.vue'), props: true },
]
