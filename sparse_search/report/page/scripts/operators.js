// Operators of a model: their colours, and which one is pointed at in all figures of the model.

const KINDS = {
  conv2d: "conv",
  depthwise_conv2d: "depthwise",
  dense: "fully connected",
  max_pool2d: "max pool",
  avg_pool2d: "average pool",
  add: "add",
  concat: "concat",
};

/** The kind of an operator for people. */
export function kindText(kind) {
  return KINDS[kind] ?? kind.replaceAll("_", " ");
}

/** Marks a node as part of an operator, and the others of it while the pointer is on the node. */
export function linked(node, name, pointed) {
  node.dataset.operator = name;
  node.addEventListener("pointerenter", () => pointed.set(name));
  node.addEventListener("pointerleave", () => pointed.set(null));
  return node;
}

/** Makes every linked node of the document follow what is pointed at. */
export function followPointer(pointed) {
  pointed.changed((name) => {
    for (const node of document.querySelectorAll("[data-operator]")) {
      node.classList.toggle("pointed", node.dataset.operator === name);
    }
  });
}
