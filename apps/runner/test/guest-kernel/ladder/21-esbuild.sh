# esbuild bundles TypeScript; the same bytes as natively
# npm: @esbuild/linux-ia32@0.28.2:bin/esbuild
# memory: 512
# sources: packages/netstack/src packages/usernet/src packages/xen-abi/src
esbuild --version
for entry in netstack usernet xen-abi; do
  esbuild src/$entry/index.ts --bundle --format=esm --minify --sourcemap --packages=external --outfile=out/$entry.js --log-level=error
  busybox sha1sum out/$entry.js out/$entry.js.map
done
esbuild src/xen-abi/errno.ts --target=es2016 --format=cjs; echo 'let a = ' | esbuild --log-style=plain 2>&1; echo "status $?"
