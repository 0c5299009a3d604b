import { useEffect, useState } from 'preact/hooks'

/** Height of a row of a list, as the style sheet has it. */
export const ROW_PX = 40
/** Rows are asked for in pieces of this many, with one piece more above and below what is seen. */
const PIECE = 50
const SETTLE_MS = 100

/** Which rows are seen, and which are asked for. */
export interface Window {
  readonly first: number
  readonly last: number
  readonly offset: number
  readonly limit: number
}

/** Pure: what a list that is scrolled so far shows. */
export function windowOf(scrollTop: number, height: number): Window {
  const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - 5)
  const last = Math.ceil((scrollTop + height) / ROW_PX) + 5
  const offset = Math.max(0, (Math.floor(first / PIECE) - 1) * PIECE)
  return { first, last, offset, limit: (Math.ceil(last / PIECE) + 1) * PIECE - offset }
}

/** Follows the scrolling of an element; what is asked for changes only when it has settled. */
export function useWindow(element: HTMLElement | null): Window {
  const [seen, setSeen] = useState(() => windowOf(0, 800))
  const [asked, setAsked] = useState(seen)
  useEffect(() => {
    if (element === null) return
    const look = (): void => setSeen(windowOf(element.scrollTop, element.clientHeight))
    const resized = new ResizeObserver(look)
    resized.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      resized.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [element])
  useEffect(() => {
    const timer = setTimeout(() => setAsked(seen), SETTLE_MS)
    return () => clearTimeout(timer)
  }, [seen])
  return { first: seen.first, last: seen.last, offset: asked.offset, limit: asked.limit }
}
