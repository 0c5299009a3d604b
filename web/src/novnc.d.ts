/** The part of noVNC that we use; the package brings no types. */
declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: WebSocket, options?: { shared?: boolean })
    /** Shrinks or grows the picture to the room that it has. */
    scaleViewport: boolean
    /** Shows a part of a picture that is larger than its room. */
    clipViewport: boolean
    dragViewport: boolean
    viewOnly: boolean
    focus(): void
    disconnect(): void
    sendCtrlAltDel(): void
    /** @param code of the key's place on a keyboard. @param down both without it. */
    sendKey(keysym: number, code: string, down?: boolean): void
    /** What is pasted in the desktop from now on. */
    clipboardPasteFrom(text: string): void
  }
}
