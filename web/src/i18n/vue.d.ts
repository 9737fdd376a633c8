import type en from './en'

declare module 'vue-i18n' {
  // Keys that do not exist are errors of the compiler.
  export interface DefineLocaleMessage extends Messages {}
}

type Messages = typeof en
