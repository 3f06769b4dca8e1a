import * as Trace from '@paulirish/trace_engine/models/trace/trace.js';

/** A row of the viewer as its parser understood it. */
export interface ViewedTrack {
  readonly process: string;
  readonly thread: string;
  /** Slices in the order of time, with their depth. */
  readonly slices: readonly ViewedSlice[];
}

export interface ViewedSlice {
  readonly name: string;
  readonly depth: number;
  /** Microseconds. */
  readonly start: number;
  readonly end: number;
  readonly parent: ViewedSlice | null;
}

interface Entry {
  readonly name: string;
  readonly ts: number;
  readonly dur?: number;
}

interface Node {
  readonly entry: Entry;
  readonly depth: number;
  readonly children: readonly Node[];
}

/** What this uses of the engine; its own types want those of a browser. */
interface Engine {
  parse(events: readonly unknown[], options: object): Promise<void>;
  parsedTrace(index: number): {
    readonly data: {
      readonly Meta: {
        readonly traceIsGeneric: boolean;
        readonly processNames: ReadonlyMap<number, { readonly args: { readonly name: string } }>;
      };
      readonly Renderer: {
        readonly processes: ReadonlyMap<
          number,
          {
            readonly threads: ReadonlyMap<
              number,
              { readonly name: string; readonly tree?: { readonly roots: ReadonlySet<Node> } }
            >;
          }
        >;
      };
    };
  };
}

/**
 * Opens a trace with the engine of the Performance panel of Chrome's DevTools.
 * @param text the file
 * @returns the rows that have slices
 */
export async function openInDevTools(text: string): Promise<ViewedTrack[]> {
  const engine = Trace.TraceModel.Model.createWithAllHandlers() as unknown as Engine;
  await engine.parse(JSON.parse(text).traceEvents, {});
  const { Meta, Renderer } = engine.parsedTrace(0).data;
  if (!Meta.traceIsGeneric) throw new Error('taken for the trace of a browser');
  return [...Renderer.processes].flatMap(([pid, { threads }]) =>
    [...threads.values()].map(({ name, tree }) => ({
      process: Meta.processNames.get(pid)?.args.name ?? '',
      thread: name,
      slices: [...(tree?.roots ?? [])].flatMap((root) => [...walk(root, null)]),
    })),
  );
}

function* walk({ entry, depth, children }: Node, parent: ViewedSlice | null): Generator<ViewedSlice> {
  const slice = { name: entry.name, depth, start: entry.ts, end: entry.ts + (entry.dur ?? 0), parent };
  yield slice;
  for (const child of children) yield* walk(child, slice);
}
