import { serveStatic } from '@hono/node-server/serve-static'
import type { Context, Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'

/** Where the administrators' pages are. What they ask for is beside it. */
const PAGES_PATH = '/admin'
/** Assets have a digest of their content in their names. */
const FOREVER = 'public, max-age=31536000, immutable'

/**
 * Serves the administrators' pages. Nothing in them comes from elsewhere, and they work behind any prefix: all addresses are
 * relative.
 * @param folder as the build made it.
 * @param doorPort of this node's door, at which consoles and support views are opened.
 */
export function servePages(app: Hono, folder: string, doorPort: () => number): void {
  const door = (context: Context): string => {
    const host = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/.exec(
      context.req.header('host') ?? '',
    )?.[1]
    return host === undefined ? "'self'" : `wss://${host}:${doorPort()}`
  }
  app.use(
    `${PAGES_PATH}/*`,
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"], // xterm.js, uPlot and noVNC set style attributes
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", door],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      xFrameOptions: 'DENY',
    }),
  )
  app.get('/', (context) => context.body(null, 302, { Location: `.${PAGES_PATH}/` }))
  app.get(PAGES_PATH, (context) => context.body(null, 302, { Location: `.${PAGES_PATH}/` }))
  app.get(
    `${PAGES_PATH}/*`,
    serveStatic({
      root: folder,
      rewriteRequestPath: (path) => path.slice(PAGES_PATH.length),
      onFound: (_, context) => {
        if (context.req.path.startsWith(`${PAGES_PATH}/assets/`)) context.header('Cache-Control', FOREVER)
      },
    }),
  )
}
