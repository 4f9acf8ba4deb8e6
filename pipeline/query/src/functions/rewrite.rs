//! Ids where a text is asked for. Casting bytes to text fails the whole query at the first id that is no UTF-8; `text` shows
//! it instead.

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Like, Operator, ScalarUDF};

use super::text::{Text, is_bytes, is_text};

/// Puts `text` around ids in `LIKE`, regular expressions, `||`, and casts to text.
#[derive(Debug)]
pub struct IdsAsText;

impl FunctionRewrite for IdsAsText {
    fn name(&self) -> &str {
        "ids_as_text"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let bytes = |e: &Expr| e.get_type(schema).is_ok_and(|t| is_bytes(&t));
        Ok(match expr {
            Expr::Like(like) if bytes(&like.expr) => {
                Transformed::yes(Expr::Like(Like { expr: Box::new(text(*like.expr)), ..like }))
            }
            Expr::SimilarTo(like) if bytes(&like.expr) => {
                Transformed::yes(Expr::SimilarTo(Like { expr: Box::new(text(*like.expr)), ..like }))
            }
            Expr::BinaryExpr(both) if on_text(both.op) && (bytes(&both.left) || bytes(&both.right)) => {
                let shown = |e: Box<Expr>| if bytes(&e) { Box::new(text(*e)) } else { e };
                let (left, right) = (shown(both.left), shown(both.right));
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: both.op, right }))
            }
            Expr::Cast(cast) if is_text(cast.field.data_type()) && bytes(&cast.expr) => {
                let to_view = cast.field.data_type() == &DataType::Utf8View;
                let shown = text(*cast.expr.clone());
                Transformed::yes(match to_view {
                    true => shown,
                    false => Expr::Cast(datafusion::logical_expr::Cast { expr: Box::new(shown), ..cast }),
                })
            }
            other => Transformed::no(other),
        })
    }
}

fn on_text(op: Operator) -> bool {
    matches!(
        op,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch
            | Operator::StringConcat
    )
}

fn text(id: Expr) -> Expr {
    let function = std::sync::Arc::new(ScalarUDF::from(Text::default()));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![id]))
}
