/** The token that was just made. It outlives the page that made it: a first token makes the page ask for a login. */
import { ref } from 'vue'
import type { Token } from './data'

export const madeToken = ref<Token>()
