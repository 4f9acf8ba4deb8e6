//! How functions of ours travel: by name, with the version of the program that means it so.

use std::collections::HashMap;
use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{TableReference, exec_datafusion_err, exec_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use super::als::{AlsRow, HeldRef, Sides};
use super::table;

/// Of the program: what a function of this name does may differ in another.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Functions of ours.
#[derive(Debug)]
pub(super) struct Functions {
    scalar: Vec<Arc<ScalarUDF>>,
    by_name: HashMap<String, Arc<ScalarUDF>>,
    sides: Arc<Sides>,
}

impl Functions {
    pub fn new(scalar: Vec<Arc<ScalarUDF>>, sides: Arc<Sides>) -> Self {
        let by_name = scalar.iter().map(|f| (f.name().to_owned(), f.clone())).collect();
        Self { scalar, by_name, sides }
    }

    pub fn sides(&self) -> &Arc<Sides> {
        &self.sides
    }

    pub fn scalar(&self) -> &[Arc<ScalarUDF>] {
        &self.scalar
    }

    fn encode(&self, function: &ScalarUDF, buf: &mut Vec<u8>) {
        if self.by_name.contains_key(function.name()) {
            buf.extend(VERSION.as_bytes());
        }
    }

    fn decode(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        same_version(name, buf)?;
        self.by_name
            .get(name)
            .cloned()
            .ok_or_else(|| exec_datafusion_err!("the function {name} is not known here"))
    }

    fn encode_aggregate(function: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        let any: &dyn std::any::Any = function.inner().as_ref();
        if let Some(row) = any.downcast_ref::<AlsRow>() {
            buf.extend(VERSION.as_bytes());
            buf.push(b' ');
            buf.extend(
                serde_json::to_vec(row.held()).map_err(|e| exec_datafusion_err!("the held side: {e}"))?,
            );
        }
        Ok(())
    }

    fn decode_aggregate(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        let mut parts = buf.splitn(2, |b| *b == b' ');
        same_version(name, parts.next().unwrap_or_default())?;
        let held: HeldRef = serde_json::from_slice(parts.next().unwrap_or_default())
            .map_err(|e| exec_datafusion_err!("the held side of {name}: {e}"))?;
        Ok(Arc::new(AggregateUDF::from(AlsRow::new(held, self.sides.clone()))))
    }
}

fn same_version(name: &str, found: &[u8]) -> Result<()> {
    if found == VERSION.as_bytes() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(found);
    exec_err!(
        "the function {name} comes from version {found:?} of shoptide, here is {VERSION}: run one version everywhere"
    )
}

#[derive(Debug)]
pub(super) struct LogicalCodec {
    rest: BallistaLogicalExtensionCodec,
    functions: Arc<Functions>,
}

impl LogicalCodec {
    pub fn new(functions: Arc<Functions>) -> Self {
        Self { rest: BallistaLogicalExtensionCodec::default(), functions }
    }
}

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        self.rest.try_decode(buf, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.rest.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        match buf {
            [] => self.rest.try_decode_table_provider(buf, name, schema, ctx),
            _ => table::decode(buf),
        }
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        match table::encode(node.as_ref())? {
            Some(bytes) => buf.extend(bytes),
            None => {
                return exec_err!("{name} is no table of the lake, and a cluster reads nothing else");
            }
        }
        Ok(())
    }

    fn try_decode_file_format(&self, buf: &[u8], ctx: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.rest.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.rest.try_encode_file_format(buf, node)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.functions.decode(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.functions.encode(node, buf);
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.functions.decode_aggregate(name, buf)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        Functions::encode_aggregate(node, buf)
    }
}

#[derive(Debug)]
pub(super) struct PhysicalCodec {
    rest: BallistaPhysicalExtensionCodec,
    functions: Arc<Functions>,
}

impl PhysicalCodec {
    pub fn new(functions: Arc<Functions>) -> Self {
        Self { rest: BallistaPhysicalExtensionCodec::default(), functions }
    }
}

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.rest.try_decode(buf, inputs, ctx, converter)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        self.rest.try_encode(node, buf, converter)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.functions.decode(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.functions.encode(node, buf);
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.functions.decode_aggregate(name, buf)
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        Functions::encode_aggregate(node, buf)
    }
}
