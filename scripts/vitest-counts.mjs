// A vitest reporter that leaves the counts for the last line of `npm test` in a file.

import { writeFileSync } from 'node:fs';
import { countsFile } from './workspace.mjs';

export default class VitestCounts {
  onTestRunEnd(testModules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const testModule of testModules) {
      let failedHere = 0;
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') failedHere++;
        else counts.skipped++;
      }
      // A file that fails outside of its tests (an import or a hook that throws) is one failure.
      counts.failed += testModule.state() === 'failed' ? Math.max(failedHere, 1) : failedHere;
    }
    writeFileSync(countsFile, JSON.stringify(counts));
  }
}
