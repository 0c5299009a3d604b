/**
 * The part of winston that we load. The whole package brings its own file, HTTP and stream transports, which
 * we replace, and a megabyte of private memory in every process.
 */
declare module 'winston/lib/winston/create-logger.js' {
  import type { createLogger as CreateLogger } from 'winston'

  const createLogger: typeof CreateLogger
  export default createLogger
}
