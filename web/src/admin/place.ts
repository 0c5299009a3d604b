import { useEffect, useState } from 'preact/hooks'

/** Where the reader is: what stands behind `#/` in the address, so that every view has an address of its own. */
export interface Place {
  /** `desktops`, or `desktops/NAME`. */
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

function placeNow(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  return {
    path: path.split('/').filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  }
}

/** The address of a place. */
export function hrefOf(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const said = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''))
  return `#/${path.map(encodeURIComponent).join('/')}${said.size === 0 ? '' : `?${said.toString()}`}`
}

/** Goes there; `replace`: without a step that "back" would lead to. */
export function goTo(href: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') location.hash = href
  else {
    history.replaceState(null, '', href)
    dispatchEvent(new HashChangeEvent('hashchange'))
  }
}

/** The place, anew whenever the reader goes elsewhere. */
export function usePlace(): Place {
  const [place, setPlace] = useState(placeNow)
  useEffect(() => {
    const move = (): void => setPlace(placeNow())
    addEventListener('hashchange', move)
    return () => removeEventListener('hashchange', move)
  }, [])
  return place
}
